mock_provider "google" {}
mock_provider "google" {
  alias = "billing"
}

variables {
  project                   = "a-project"
  number                    = "1"
  emails                    = ["ops@example.org"]
  requests                  = { cpu = "studio-requests-cpu", gpu-t4 = "studio-requests-gpu-t4" }
  dead_letters_subscription = "studio-dead-letters"
  relay_service             = "studio-relay"
  finalize_service          = "studio-finalize"
  cluster                   = "studio"
  budget                    = { billing_account = "012345-567890-ABCDEF", amount = 500 }
}

run "every_alert_has_its_runbook_and_somebody_who_reads_it" {
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.this)) == toset(["dead-letters", "oldest-unacked", "no-relay", "relay-failing", "lost-experiments", "gpu-unhealthy", "reports-waiting"])
    error_message = "Not the alerts that were asked for."
  }
  assert {
    condition     = alltrue([for name, a in google_monitoring_alert_policy.this : fileexists("../../../../docs/runbooks/${name}.md") && endswith(a.documentation[0].links[0].url, "/docs/runbooks/${name}.md")])
    error_message = "An alert without a runbook."
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.this : toset(a.notification_channels) == toset([google_monitoring_notification_channel.email["ops@example.org"].id])])
    error_message = "An alert that nobody is told of."
  }
  assert {
    condition     = fileexists("../../../../docs/runbooks/budget.md") && google_billing_budget.this["this"].amount[0].specified_amount[0].units == "500"
    error_message = "No budget, or none with a runbook."
  }
}

run "google_takes_the_budget" {
  command = plan
  variables {
    name    = "studio-everyone"
    project = "a-project-with-a-very-long-id0"
  }
  assert {
    condition     = length(google_billing_budget.this["this"].display_name) <= 60
    error_message = "Its name has more than 60 characters."
  }
}

run "alerts_watch_what_they_say" {
  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["oldest-unacked"].conditions[0].condition_threshold[0].filter, "studio-requests-gpu-t4") && google_monitoring_alert_policy.this["oldest-unacked"].conditions[0].condition_threshold[0].threshold_value == 604800
    error_message = "Not the pools' subscriptions, or another time."
  }
  assert {
    condition     = google_monitoring_alert_policy.this["no-relay"].conditions[0].condition_absent[0].duration == "1200s"
    error_message = "A relay that is silent fires nothing."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["gpu-unhealthy"].conditions[0].condition_threshold[0].filter, google_logging_metric.counter["gpu_bad"].name)
    error_message = "Not the lines about cards."
  }
}

run "the_dashboard_shows_the_whole_way" {
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets) == 6
    error_message = "A chart is missing."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "a_budget_without_its_account_is_refused" {
  command = plan
  variables {
    budget = { billing_account = "mine", amount = 500 }
  }
  expect_failures = [var.budget]
}

run "an_age_that_no_request_reaches_is_refused" {
  command = plan
  variables {
    oldest_hours = 1000
  }
  expect_failures = [var.oldest_hours]
}
