# Who pays is told before the money is gone. A budget stops nothing.

resource "google_billing_budget" "this" {
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
    for_each = length(var.channels) > 0 ? [slice(var.channels, 0, min(5, length(var.channels)))] : []
    content {
      monitoring_notification_channels = all_updates_rule.value # five at most
      disable_default_iam_recipients   = false
    }
  }
}
