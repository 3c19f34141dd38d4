mock_provider "google" {}

variables {
  project       = "a-project"
  region        = "europe-west4"
  service_agent = "service-1@gcp-sa-pubsub.iam.gserviceaccount.com"
  pools         = [{ name = "cpu" }, { name = "gpu-t4" }]
}

run "every_pool_has_a_topic_and_an_exactly_once_subscription" {
  assert {
    condition     = output.requests == { cpu = "studio-requests-cpu", gpu-t4 = "studio-requests-gpu-t4" }
    error_message = "Topics are not named as internal/pool.Topic names them."
  }
  assert {
    condition = alltrue([for s in google_pubsub_subscription.requests :
      s.enable_exactly_once_delivery && s.message_retention_duration == "2678400s" && s.ack_deadline_seconds == 60 && s.expiration_policy[0].ttl == ""
    ])
    error_message = "A subscription of requests is not exactly-once, does not keep 31 days, or vanishes."
  }
  assert {
    condition     = alltrue([for t in google_pubsub_topic.this : t.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west4"])])
    error_message = "Messages may be kept elsewhere: exactly-once holds within a region only."
  }
}

run "dead_letters_are_moved_and_kept" {
  assert {
    condition = alltrue([for s in google_pubsub_subscription.requests :
      s.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.this["studio-dead-letters"].id && s.dead_letter_policy[0].max_delivery_attempts == 100
    ])
    error_message = "A subscription has no dead letter policy, or another's."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dead_letters.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.dead_letters.member == "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent may not publish dead letters."
  }
  assert {
    condition     = length(google_pubsub_subscription_iam_member.requests) == 2 && alltrue([for m in google_pubsub_subscription_iam_member.requests : m.role == "roles/pubsub.subscriber"])
    error_message = "Pub/Sub's agent may not take what it moves."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letters.message_retention_duration == "2678400s" && google_pubsub_subscription.dead_letters.expiration_policy[0].ttl == ""
    error_message = "Dead letters vanish."
  }
}

run "who_looks_takes_nothing" {
  variables {
    viewers = { build = "studio-build@a-project.iam.gserviceaccount.com" }
  }
  assert {
    condition     = length(google_pubsub_topic_iam_member.viewer) == 6 && alltrue([for m in concat(values(google_pubsub_topic_iam_member.viewer), values(google_pubsub_subscription_iam_member.viewer)) : m.role == "roles/pubsub.viewer" && m.member == "serviceAccount:studio-build@a-project.iam.gserviceaccount.com"])
    error_message = "It does not see every topic, or may more than look."
  }
  assert {
    condition     = toset([for m in google_pubsub_subscription_iam_member.viewer : m.subscription]) == toset(["studio-requests-cpu", "studio-requests-gpu-t4", "studio-dead-letters"])
    error_message = "It does not see every subscription."
  }
}

run "without_bigquery_there_is_none" {
  command = plan
  assert {
    condition     = length(google_bigquery_table.events) + length(google_pubsub_subscription.bigquery) == 0
    error_message = "BigQuery without being asked."
  }
}

run "events_go_to_bigquery_where_asked" {
  variables {
    bigquery = { location = "EU" }
  }
  assert {
    condition     = google_pubsub_subscription.bigquery["events"].bigquery_config[0].table == "a-project.studio.events" && google_pubsub_subscription.bigquery["events"].bigquery_config[0].write_metadata
    error_message = "Not the table, or without the attributes."
  }
  assert {
    condition     = toset([for c in jsondecode(google_bigquery_table.events["events"].schema) : c.name]) == toset(["subscription_name", "message_id", "publish_time", "data", "attributes"])
    error_message = "The table lacks a column that write_metadata needs."
  }
  assert {
    condition     = toset(keys(google_bigquery_table_iam_member.events)) == toset(["roles/bigquery.dataEditor", "roles/bigquery.metadataViewer"])
    error_message = "Pub/Sub's agent may not write the table."
  }
  assert {
    condition     = google_bigquery_table.events["events"].deletion_protection
    error_message = "A destroy takes all events with it."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
  variables {
    bigquery = { location = "EU" }
  }
}

run "tear_down_takes_the_table_when_it_may" {
  command = plan
  variables {
    bigquery            = { location = "EU" }
    deletion_protection = false
  }
  assert {
    condition     = !google_bigquery_table.events["events"].deletion_protection
    error_message = "Destroying ends at the table, though protection is off."
  }
}

run "events_are_encrypted_with_a_key_of_ones_own" {
  command = plan
  variables {
    bigquery = { location = "europe-west4" }
    kms_key  = "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
  }
  assert {
    condition     = google_bigquery_dataset.events["events"].default_encryption_configuration[0].kms_key_name == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k" && alltrue([for t in google_pubsub_topic.this : t.kms_key_name == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"])
    error_message = "Messages or rows are not encrypted with the key."
  }
}

run "a_table_elsewhere_than_its_key_is_refused" {
  command = plan
  variables {
    bigquery = { location = "EU" }
    kms_key  = "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
  }
  expect_failures = [google_bigquery_dataset.events["events"]]
}

run "tools_follow_experiments_in_order" {
  command = plan
  variables {
    events_subscriptions = { board = ["serviceAccount:board@another-project.iam.gserviceaccount.com"], audit = [] }
  }
  assert {
    condition     = output.events_subscriptions == { board = "studio-events-board", audit = "studio-events-audit" } && alltrue([for s in google_pubsub_subscription.events : s.enable_message_ordering && s.expiration_policy[0].ttl == ""])
    error_message = "An experiment may seem to end before it began, or a tool that was off for a month finds no subscription."
  }
  assert {
    condition     = toset([for m in google_pubsub_subscription_iam_member.events : "${m.subscription} ${m.role} ${m.member}"]) == toset([for role in ["subscriber", "viewer"] : "studio-events-board roles/pubsub.${role} serviceAccount:board@another-project.iam.gserviceaccount.com"])
    error_message = "The tool may not take events, does not see that they are ordered, or may more."
  }
}

run "who_is_no_member_is_refused" {
  command = plan
  variables {
    events_subscriptions = { board = ["board@another-project.iam.gserviceaccount.com"] }
  }
  expect_failures = [var.events_subscriptions]
}

run "two_pools_of_a_name_are_refused" {
  command = plan
  variables {
    pools = [{ name = "cpu" }, { name = "cpu" }]
  }
  expect_failures = [var.pools]
}

run "a_pool_name_that_the_programs_refuse_is_refused" {
  command = plan
  variables {
    pools = [{ name = "GPU_T4" }]
  }
  expect_failures = [var.pools]
}

run "attempts_out_of_range_are_refused" {
  command = plan
  variables {
    max_delivery_attempts = 3
  }
  expect_failures = [var.max_delivery_attempts]
}
