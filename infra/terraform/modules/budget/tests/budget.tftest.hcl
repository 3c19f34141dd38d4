mock_provider "google" {}

variables {
  project  = "a-project"
  number   = "1"
  budget   = { billing_account = "012345-567890-ABCDEF", amount = 500 }
  channels = ["projects/a-project/notificationChannels/1"]
}

run "a_month_of_the_project_has_its_amount_and_its_runbook" {
  assert {
    condition     = google_billing_budget.this["this"].amount[0].specified_amount[0].units == "500" && google_billing_budget.this["this"].budget_filter[0].projects == toset(["projects/1"]) && google_billing_budget.this["this"].budget_filter[0].calendar_period == "MONTH"
    error_message = "Another amount, another time, or other projects are counted."
  }
  assert {
    condition     = [for r in google_billing_budget.this["this"].threshold_rules : "${r.threshold_percent} ${r.spend_basis}"] == ["0.5 CURRENT_SPEND", "0.9 CURRENT_SPEND", "1 CURRENT_SPEND", "1.2 FORECASTED_SPEND"]
    error_message = "It tells at other times than the runbook says."
  }
  assert {
    condition     = google_billing_budget.this["this"].all_updates_rule[0].monitoring_notification_channels == tolist(["projects/a-project/notificationChannels/1"]) && !google_billing_budget.this["this"].all_updates_rule[0].disable_default_iam_recipients
    error_message = "Who reads alerts is not told, or who pays is not."
  }
  assert {
    condition     = output.budget == "studio: a-project" && fileexists("../../../../docs/runbooks/budget.md")
    error_message = "A budget without a runbook."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "without_being_asked_there_is_none" {
  command = plan
  variables {
    budget = null
  }
  assert {
    condition     = length(google_billing_budget.this) == 0 && output.budget == null
    error_message = "A budget that nobody asked for, and that not everybody may make."
  }
}

run "google_takes_its_name_and_its_channels" {
  command = plan
  variables {
    name     = "studio-everyone"
    project  = "a-project-with-a-very-long-id0"
    channels = ["1", "2", "3", "4", "5", "6"]
  }
  assert {
    condition     = length(google_billing_budget.this["this"].display_name) <= 60
    error_message = "Its name has more than 60 characters."
  }
  assert {
    condition     = length(google_billing_budget.this["this"].all_updates_rule[0].monitoring_notification_channels) == 5
    error_message = "It has more than five channels."
  }
}

run "a_budget_without_its_account_is_refused" {
  command = plan
  variables {
    budget = { billing_account = "mine", amount = 500 }
  }
  expect_failures = [var.budget]
}
