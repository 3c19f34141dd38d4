# Alerts. Each says what fires, and leads to the runbook of its name.

locals {
  log = { for key in keys(local.counters) : key => "metric.type=\"logging.googleapis.com/user/${google_logging_metric.counter[key].name}\"" }

  subscription = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id="

  # above: fires when more than that lasts as long; absent: fires when nothing comes for as long.
  alerts = {
    dead-letters = {
      title    = "Requests became dead letters"
      filter   = "${local.subscription}\"${var.dead_letters_subscription}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      above    = 0
      lasts    = "300s"
      align    = "ALIGN_MAX"
      severity = "WARNING"
    }
    oldest-unacked = {
      title    = "A request has waited or run for more than ${var.oldest_hours} hours"
      filter   = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=one_of(${join(",", [for s in values(var.requests) : "\"${s}\""])}) AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      above    = var.oldest_hours * 3600
      lasts    = "900s"
      align    = "ALIGN_MAX"
      severity = "WARNING"
    }
    no-relay = {
      title    = "No relay has come to its end for 20 minutes: requests stay in RabbitMQ"
      filter   = "resource.type=\"cloud_run_revision\" AND ${local.log.relay_runs}"
      absent   = "1200s"
      align    = "ALIGN_DELTA"
      severity = "CRITICAL"
    }
    relay-failing = {
      title    = "The relay fails: RabbitMQ or Pub/Sub is not reached, or its settings are wrong"
      filter   = "resource.type=\"cloud_run_revision\" AND ${local.log.relay_faults}"
      above    = 2
      lasts    = "600s"
      align    = "ALIGN_DELTA"
      severity = "ERROR"
    }
    lost-experiments = {
      title    = "Experiments are lost: the infrastructure failed them too often"
      filter   = "resource.type=one_of(\"k8s_container\",\"cloud_run_job\") AND ${local.log.lost}"
      above    = 0
      lasts    = "0s"
      align    = "ALIGN_DELTA"
      severity = "ERROR"
    }
    gpu-unhealthy = {
      title    = "A GPU went bad and was taken out of use"
      filter   = "resource.type=one_of(\"k8s_container\",\"cloud_run_job\") AND ${local.log.gpu_bad}"
      above    = 0
      lasts    = "0s"
      align    = "ALIGN_DELTA"
      severity = "WARNING"
    }
    reports-waiting = {
      title    = "Reports to experimenters wait for more than 10 minutes"
      filter   = "${local.subscription}\"${var.reports_subscription}\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      above    = 600
      lasts    = "300s"
      align    = "ALIGN_MAX"
      severity = "WARNING"
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.emails)

  project      = var.project
  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }
  user_labels  = var.labels
}

# Google knows a metric some minutes after it was made, and refuses an alert before. The cluster takes longer.
resource "terraform_data" "metrics_known" {
  input = var.cluster

  depends_on = [google_logging_metric.counter, google_logging_metric.sum]
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for c in google_monitoring_notification_channel.email : c.id]
  user_labels           = merge(var.labels, { runbook = each.key })

  conditions {
    display_name = each.value.title

    dynamic "condition_threshold" {
      for_each = contains(keys(each.value), "above") ? [each.value] : []
      content {
        filter                  = condition_threshold.value.filter
        comparison              = "COMPARISON_GT"
        threshold_value         = condition_threshold.value.above
        duration                = condition_threshold.value.lasts
        evaluation_missing_data = condition_threshold.value.lasts == "0s" ? null : "EVALUATION_MISSING_DATA_INACTIVE"
        aggregations {
          alignment_period     = "300s"
          per_series_aligner   = condition_threshold.value.align
          cross_series_reducer = condition_threshold.value.align == "ALIGN_DELTA" ? "REDUCE_SUM" : null
        }
      }
    }

    dynamic "condition_absent" {
      for_each = contains(keys(each.value), "absent") ? [each.value] : []
      content {
        filter   = condition_absent.value.filter
        duration = condition_absent.value.absent
        aggregations {
          alignment_period     = "300s"
          per_series_aligner   = condition_absent.value.align
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.title}. What to do: ${var.runbooks}/${each.key}.md"
    links {
      display_name = "Runbook"
      url          = "${var.runbooks}/${each.key}.md"
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [terraform_data.metrics_known]
}

resource "google_billing_budget" "this" {
  provider = google.billing
  for_each = var.budget == null ? {} : { this = var.budget }

  billing_account = each.value.billing_account
  display_name    = "${var.name}: ${var.project}" # of 60 characters at most

  budget_filter {
    projects        = ["projects/${var.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      currency_code = each.value.currency
      units         = tostring(each.value.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [
      { percent = 0.5, basis = "CURRENT_SPEND" }, { percent = 0.9, basis = "CURRENT_SPEND" },
      { percent = 1.0, basis = "CURRENT_SPEND" }, { percent = 1.2, basis = "FORECASTED_SPEND" },
    ]
    content {
      threshold_percent = threshold_rules.value.percent
      spend_basis       = threshold_rules.value.basis
    }
  }

  dynamic "all_updates_rule" {
    for_each = length(var.emails) > 0 ? [slice([for c in google_monitoring_notification_channel.email : c.id], 0, min(5, length(var.emails)))] : []
    content {
      monitoring_notification_channels = all_updates_rule.value # five at most
      disable_default_iam_recipients   = false
    }
  }
}
