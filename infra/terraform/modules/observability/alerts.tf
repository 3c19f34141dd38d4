# Alerts. Each says what fires, and leads to the runbook of its name.

locals {
  log = { for key in keys(local.counters) : key => "metric.type=\"logging.googleapis.com/user/${google_logging_metric.counter[key].name}\"" }

  subscription = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id="

  pools = "monitored_resource=\"pubsub_subscription\",subscription_id=~\"${join("|", values(var.requests))}\""

  # above: fires when more than that lasts as long; absent: fires when nothing comes for as long; promql: fires for each series that
  # comes out.
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
    # A request that runs counts as undelivered, too, and whoever holds one extends its deadline at least every ten minutes: where
    # nobody does, nobody has taken any.
    not-taken = {
      title    = "Requests have waited for 45 minutes, and nobody takes any from their pool"
      promql   = "sum by (subscription_id) (min_over_time(pubsub_googleapis_com:subscription_num_undelivered_messages{${local.pools}}[45m])) > 0 unless on (subscription_id) sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_mod_ack_deadline_message_count{${local.pools}}[45m])) > 0"
      severity = "ERROR"
    }
    no-relay = {
      title    = "No relay has come to its end for 20 minutes: requests stay in RabbitMQ"
      filter   = "resource.type=\"${local.relay_type}\" AND ${local.log.relay_runs}"
      absent   = "1200s"
      align    = "ALIGN_DELTA"
      severity = "CRITICAL"
    }
    relay-failing = {
      title    = "The relay fails: RabbitMQ or Pub/Sub is not reached, or its settings are wrong"
      filter   = "resource.type=\"${local.relay_type}\" AND ${local.log.relay_faults}"
      above    = 1 # in five minutes: a run that reaches nobody lasts two (RELAY_CONNECT)
      lasts    = "600s"
      align    = "ALIGN_DELTA"
      severity = "ERROR"
    }
    lost-experiments = {
      title    = "Experiments are lost: the infrastructure failed them too often"
      filter   = "${local.executors} AND ${local.log.lost}"
      above    = 0
      lasts    = "0s"
      align    = "ALIGN_DELTA"
      severity = "ERROR"
    }
    gpu-unhealthy = {
      title    = "A GPU went bad and was taken out of use"
      filter   = "${local.executors} AND ${local.log.gpu_bad}"
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

  depends_on = [google_logging_metric.counter]
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

    dynamic "condition_prometheus_query_language" {
      for_each = contains(keys(each.value), "promql") ? [each.value] : []
      content {
        query               = condition_prometheus_query_language.value.promql
        duration            = "300s"
        evaluation_interval = "60s"
        # A metric of Google's may be new to the project: it has no points before the first request.
        disable_metric_validation = true
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
