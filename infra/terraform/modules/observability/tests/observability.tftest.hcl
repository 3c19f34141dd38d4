mock_provider "google" {}

variables {
  project                   = "a-project"
  emails                    = ["ops@example.org"]
  requests                  = { cpu = "studio-requests-cpu", gpu-t4 = "studio-requests-gpu-t4", quick = "studio-requests-quick" }
  node_pools                = { cpu = { spot = false }, gpu-t4 = { gpus = 1, gpu_type = "nvidia-tesla-t4" } }
  jobs                      = { quick = "studio-quick" }
  dead_letters_subscription = "studio-dead-letters"
  relay_service             = "studio-relay"
  finalize_service          = "studio-finalize"
  cluster                   = "studio"
}

run "every_alert_has_its_runbook_and_somebody_who_reads_it" {
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.this)) == toset(["dead-letters", "oldest-unacked", "not-taken", "no-relay", "relay-failing", "lost-experiments", "gpu-unhealthy", "reports-waiting"])
    error_message = "Not the alerts that were asked for."
  }
  assert {
    condition     = alltrue([for name, a in google_monitoring_alert_policy.this : fileexists("../../../../docs/runbooks/${name}.md") && endswith(a.documentation[0].links[0].url, "/docs/runbooks/${name}.md")])
    error_message = "An alert without a runbook."
  }
  assert {
    condition     = alltrue([for name, a in google_monitoring_alert_policy.this : strcontains(file("../../../../docs/runbooks/README.md"), "| [${name}](${name}.md) |")])
    error_message = "An alert that the list of runbooks leaves out."
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.this : toset(a.notification_channels) == toset([google_monitoring_notification_channel.email["ops@example.org"].id])]) && output.channels == [google_monitoring_notification_channel.email["ops@example.org"].id]
    error_message = "An alert that nobody is told of."
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

run "requests_that_nobody_takes_are_told_of_by_pool_within_the_hour" {
  command = plan
  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["not-taken"].conditions[0].condition_prometheus_query_language[0].query, "sum by (subscription_id) (min_over_time(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=~\"studio-requests-cpu|studio-requests-gpu-t4|studio-requests-quick\"}[45m])) > 0 unless on (subscription_id)")
    error_message = "Not the pools' subscriptions, not each by itself, or another time: ${google_monitoring_alert_policy.this["not-taken"].conditions[0].condition_prometheus_query_language[0].query}"
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.this["not-taken"].conditions[0].condition_prometheus_query_language[0].query, "[45m])) > 0") && strcontains(google_monitoring_alert_policy.this["not-taken"].conditions[0].condition_prometheus_query_language[0].query, "subscription_mod_ack_deadline_message_count")
    error_message = "An experiment that runs for an hour fires it."
  }
}

run "the_dashboard_shows_the_whole_way" {
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets) == 7
    error_message = "A chart is missing."
  }
  assert {
    condition     = [for s in jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets[0].xyChart.dataSets : s.legendTemplate] == ["relayed to Pub/Sub", "refused by the bridge", "claimed", "saved", "lost", "recorded"]
    error_message = "A step between the queue and the result is not drawn."
  }
  assert {
    condition     = alltrue([for m in google_logging_metric.counter : m.metric_descriptor[0].value_type == "INT64"])
    error_message = "A metric of lines is a distribution: Google refuses it without buckets, and a chart draws no sum of it."
  }
  assert {
    condition = alltrue(flatten([for w in jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets : [for s in w.xyChart.dataSets :
      length(s.timeSeriesQuery) == 1 && try(length(s.timeSeriesQuery.prometheusQuery) > 0, length(s.timeSeriesQuery.timeSeriesFilter.filter) > 0)
    ]]))
    error_message = "A line has no query, or two."
  }
}

run "the_dashboard_shows_what_each_pool_costs" {
  command = plan
  assert {
    condition     = [for s in jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets[6].xyChart.dataSets : s.legendTemplate] == ["cpu: nodes", "gpu-t4: spot nodes with 1 x nvidia-tesla-t4", "quick: tasks of its job", "instances of functions"]
    error_message = "A pool whose nodes or tasks are paid for is not drawn, or not what they are."
  }
  assert {
    condition     = strcontains(jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets[6].xyChart.dataSets[1].timeSeriesQuery.timeSeriesFilter.filter, "metadata.user_labels.\"studio-pool\"=\"gpu-t4\"")
    error_message = "A pool's nodes are counted with others'."
  }
  assert {
    condition     = [for s in jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets[4].xyChart.dataSets : s.legendTemplate] == ["gpu-t4"]
    error_message = "Idle cards are not shown by pool."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "the_relays_lines_are_looked_for_where_they_are" {
  command = plan
  variables {
    relay_worker = "studio-relay"
  }
  assert {
    condition     = alltrue([for key in ["relay_runs", "relay_faults", "refused"] : startswith(google_logging_metric.counter[key].filter, "resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=\"studio-relay\" AND ")])
    error_message = "A bridge that is a worker would be looked for among the services."
  }
  assert {
    condition     = startswith(google_monitoring_alert_policy.this["no-relay"].conditions[0].condition_absent[0].filter, "resource.type=\"cloud_run_worker_pool\" AND ") && startswith(google_monitoring_alert_policy.this["relay-failing"].conditions[0].condition_threshold[0].filter, "resource.type=\"cloud_run_worker_pool\" AND ")
    error_message = "The alerts about the relay would fire always, or never."
  }
}

run "a_deployment_without_cards_has_no_empty_charts" {
  command = plan
  variables {
    requests   = { quick = "studio-requests-quick" }
    node_pools = {}
  }
  assert {
    condition     = alltrue([for w in jsondecode(google_monitoring_dashboard.this.dashboard_json).gridLayout.widgets : length(w.xyChart.dataSets) > 0])
    error_message = "Google refuses a chart without a line."
  }
}

run "an_age_that_no_request_reaches_is_refused" {
  command = plan
  variables {
    oldest_hours = 1000
  }
  expect_failures = [var.oldest_hours]
}
