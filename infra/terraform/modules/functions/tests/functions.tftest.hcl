mock_provider "google" {
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://a-service.run.app" }
  }
}

variables {
  project               = "a-project"
  region                = "europe-west4"
  network               = "studio"
  subnet                = "studio-functions"
  requests              = { cpu = "studio-requests-cpu", gpu-t4 = "studio-requests-gpu-t4" }
  topics                = { events = "studio-events", dead_letters = "studio-dead-letters", reports = "studio-reports" }
  service_agents        = { pubsub = "service-1@gcp-sa-pubsub.iam.gserviceaccount.com", storage = "service-1@gs-project-accounts.iam.gserviceaccount.com" }
  buckets               = { stores = ["acme-vision"], metadata = ["acme-vision-metadata"] }
  rabbitmq_secrets      = { bridge = "studio-amqp-bridge", ca = "studio-rabbitmq-ca" }
  pools_json            = "[]"
  tenants_json          = "{\"tenants\":[{\"prefix\":\"rmq_\",\"store\":\"acme-vision\",\"metadata\":\"acme-vision-metadata\"}]}"
  build_service_account = "studio-build@a-project.iam.gserviceaccount.com"
}

run "functions_are_inside_and_have_accounts_of_their_own" {
  assert {
    condition     = toset(keys(google_cloud_run_v2_service.this)) == toset(["relay", "report", "finalize"]) && alltrue([for s in google_cloud_run_v2_service.this : s.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"])
    error_message = "A function is missing, or reached from outside."
  }
  assert {
    condition     = alltrue([for name, s in google_cloud_run_v2_service.this : s.template[0].service_account == google_service_account.service[name].email])
    error_message = "A function runs as another's account."
  }
  assert {
    condition     = alltrue([for name in ["relay", "report"] : google_cloud_run_v2_service.this[name].template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" && google_cloud_run_v2_service.this[name].template[0].vpc_access[0].network_interfaces[0].subnetwork == "studio-functions"])
    error_message = "The bridge does not reach RabbitMQ directly."
  }
  assert {
    condition     = length(google_cloud_run_v2_service.this["finalize"].template[0].vpc_access) == 0
    error_message = "Finalize has no business in the network."
  }
  assert {
    condition     = alltrue([for s in google_cloud_run_v2_service.this : strcontains(s.template[0].containers[0].image, "us-docker.pkg.dev/cloudrun/container/hello")])
    error_message = "A function needs an image that is not there before the first build."
  }
}

run "programs_get_their_settings" {
  assert {
    condition = alltrue([for name, want in {
      relay    = ["AMQP_URL", "CLEAR_TEXT_MESSAGES", "DEAD_LETTER_TOPIC", "EVENTS_TOPIC", "FUNCTION_TARGET", "GOOGLE_CLOUD_PROJECT", "LOG_LEVEL", "POOLS", "RELAY_DEADLINE", "RELAY_IDLE", "REPORTS_TOPIC", "SSL_CERT_DIR", "TENANTS"]
      report   = ["AMQP_URL", "FUNCTION_TARGET", "LOG_LEVEL", "SSL_CERT_DIR", "TENANTS"]
      finalize = ["EVENTS_TOPIC", "GOOGLE_CLOUD_PROJECT", "LOG_LEVEL", "TENANTS"]
    } : toset([for e in google_cloud_run_v2_service.this[name].template[0].containers[0].env : e.name]) == toset(want)])
    error_message = "A setting is missing, or nobody reads it."
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_service.this["report"].template[0].containers[0].env : e.value if e.name == "FUNCTION_TARGET"]) == "Report" && one([for e in google_cloud_run_v2_service.this["relay"].template[0].containers[0].env : e.value if e.name == "FUNCTION_TARGET"]) == "Relay"
    error_message = "The bridge serves the wrong function."
  }
  assert {
    condition     = alltrue([for name in ["relay", "report"] : one([for e in google_cloud_run_v2_service.this[name].template[0].containers[0].env : e.value_source[0].secret_key_ref[0].secret if e.name == "AMQP_URL"]) == "studio-amqp-bridge"])
    error_message = "The password of RabbitMQ stands in a setting."
  }
}

run "a_run_of_the_bridge_ends_soon_after_its_last_message" {
  command = plan
  assert {
    condition     = one([for e in google_cloud_run_v2_service.this["relay"].template[0].containers[0].env : e.value if e.name == "RELAY_IDLE"]) == "5s"
    error_message = "It is called every minute, and paid for while it waits for nothing."
  }
}

run "who_may_read_and_publish_what" {
  assert {
    condition     = toset([for m in google_secret_manager_secret_iam_member.mounted : "${m.secret_id} ${m.role}"]) == toset(["studio-tenants roles/secretmanager.secretAccessor", "studio-rabbitmq-ca roles/secretmanager.secretAccessor", "studio-amqp-bridge roles/secretmanager.secretAccessor"])
    error_message = "Other secrets, or more than to read them."
  }
  assert {
    condition     = !contains(keys(google_secret_manager_secret_iam_member.mounted), "finalize amqp")
    error_message = "Finalize may read RabbitMQ's password."
  }
  assert {
    condition     = toset([for m in google_pubsub_topic_iam_member.relay : m.topic]) == toset(["studio-requests-cpu", "studio-requests-gpu-t4", "studio-events", "studio-dead-letters", "studio-reports"])
    error_message = "Relay cannot publish a request, or publishes elsewhere."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.eventarc)) == toset(["roles/eventarc.eventReceiver", "roles/pubsub.publisher"]) && google_project_iam_member.eventarc["roles/pubsub.publisher"].member == "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com"
    error_message = "Other roles on the whole project."
  }
}

run "cloud_build_rolls_out_and_looks" {
  assert {
    condition     = alltrue([for m in google_cloud_run_v2_service_iam_member.build : m.role == "roles/run.developer" && m.member == "serviceAccount:studio-build@a-project.iam.gserviceaccount.com"])
    error_message = "Cloud Build cannot roll out."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.build.role == "roles/pubsub.viewer" && google_pubsub_subscription_iam_member.build.subscription == "studio-reports"
    error_message = "The smoke test does not see the subscription of reports, or may take them."
  }
}

run "each_is_called_with_a_token" {
  assert {
    condition     = google_cloud_scheduler_job.relay.schedule == "* * * * *" && google_cloud_scheduler_job.relay.http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email && google_cloud_scheduler_job.relay.http_target[0].oidc_token[0].audience == "https://a-service.run.app"
    error_message = "Scheduler does not call relay every minute with a token of its own."
  }
  assert {
    condition     = google_pubsub_subscription.reports.enable_message_ordering && google_pubsub_subscription.reports.push_config[0].oidc_token[0].service_account_email == google_service_account.push.email
    error_message = "Reports come in any order, or without a token."
  }
  assert {
    condition     = toset([for c in google_eventarc_trigger.finalize["acme-vision"].matching_criteria : "${c.attribute}=${c.value}"]) == toset(["type=google.cloud.storage.object.v1.finalized", "bucket=acme-vision"])
    error_message = "Finalize is not told of the store's objects."
  }
  assert {
    condition     = alltrue([for m in google_cloud_run_v2_service_iam_member.push : m.role == "roles/run.invoker" && m.member == google_service_account.push.member]) && google_cloud_run_v2_service_iam_member.scheduler.role == "roles/run.invoker"
    error_message = "A caller may do more than call, or not call."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "the_worker_form_is_warm" {
  command = plan
  variables {
    relay_instances = { least = 1 }
  }
  assert {
    condition     = google_cloud_run_v2_service.this["relay"].template[0].scaling[0].min_instance_count == 1 && !google_cloud_run_v2_service.this["relay"].template[0].containers[0].resources[0].cpu_idle
    error_message = "It sleeps between calls."
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_service.this["relay"].template[0].containers[0].env : e.value if e.name == "RELAY_IDLE"]) == "2m"
    error_message = "It lets go before the next call."
  }
}

run "part_of_the_queues_of_anothers_rabbitmq" {
  variables {
    queues           = { match = "^rmq_vision", mismatch = "^rmq_vision_old" }
    relay_idle       = "20s"
    rabbitmq_secrets = { bridge = "projects/first-project/secrets/studio-amqp-bridge-vision", ca = "projects/first-project/secrets/studio-rabbitmq-ca" }
  }
  assert {
    condition = alltrue([for name, want in { QUEUE_MATCH = "^rmq_vision", QUEUE_MISMATCH = "^rmq_vision_old", RELAY_IDLE = "20s" } :
      one([for e in google_cloud_run_v2_service.this["relay"].template[0].containers[0].env : e.value if e.name == name]) == want
    ])
    error_message = "It serves other queues than its part, or waits another time."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.mounted["relay amqp"].project == "first-project" && google_secret_manager_secret_iam_member.mounted["relay amqp"].secret_id == "studio-amqp-bridge-vision"
    error_message = "The bridge may not read the secret where it is."
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_service.this["report"].template[0].containers[0].env : e.value_source[0].secret_key_ref[0].secret if e.name == "AMQP_URL"]) == "projects/first-project/secrets/studio-amqp-bridge-vision"
    error_message = "Reports go to another RabbitMQ."
  }
}

run "a_certificate_that_the_system_knows_needs_no_authority" {
  variables {
    rabbitmq_secrets = { bridge = "amqp-url" }
  }
  assert {
    condition     = length([for e in google_cloud_run_v2_service.this["relay"].template[0].containers[0].env : e if e.name == "SSL_CERT_DIR"]) == 0 && length(google_cloud_run_v2_service.this["relay"].template[0].volumes) == 1
    error_message = "A secret is mounted that is not there."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.mounted["report amqp"].project == "a-project"
    error_message = "A secret of this project is looked for elsewhere."
  }
}

run "a_pattern_that_is_none_is_refused" {
  command = plan
  variables {
    queues = { match = "^(rmq_" }
  }
  expect_failures = [var.queues]
}

run "a_time_without_its_unit_is_refused" {
  command = plan
  variables {
    relay_idle = "5"
  }
  expect_failures = [var.relay_idle]
}

run "no_tenants_are_refused" {
  command = plan
  variables {
    tenants_json = "{\"tenants\":[]}"
  }
  expect_failures = [var.tenants_json]
}

run "fewer_instances_at_most_than_at_least_are_refused" {
  command = plan
  variables {
    relay_instances = { least = 3, most = 2 }
  }
  expect_failures = [var.relay_instances]
}
