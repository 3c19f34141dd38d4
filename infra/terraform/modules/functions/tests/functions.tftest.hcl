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
  cluster               = "studio"
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
    condition     = google_cloud_scheduler_job.relay["relay"].schedule == "* * * * *" && google_cloud_scheduler_job.relay["relay"].http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email && google_cloud_scheduler_job.relay["relay"].http_target[0].oidc_token[0].audience == "https://a-service.run.app"
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
    condition     = terraform_data.granted.output == "studio"
    error_message = "The first trigger is made before the grants that it needs hold, and Google refuses it."
  }
  assert {
    condition     = alltrue([for m in google_cloud_run_v2_service_iam_member.push : m.role == "roles/run.invoker" && m.member == google_service_account.push.member]) && google_cloud_run_v2_service_iam_member.scheduler.role == "roles/run.invoker"
    error_message = "A caller may do more than call, or not call."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "what_google_and_gcloud_fill_in_is_left" {
  command = plan
  assert {
    condition     = strcontains(file("services.tf"), "\n      scaling, client, client_version,\n") && google_cloud_run_v2_service.this["relay"].template[0].scaling[0].max_instance_count == 4
    error_message = "After a rollout each apply would take away what Cloud Run wrote into the service."
  }
  assert {
    condition     = !strcontains(file("services.tf"), "template[0].revision") && google_cloud_run_v2_service.this["relay"].name == "studio-relay"
    error_message = "A revision's name stays, and Cloud Run refuses the next change: it has a revision of that name."
  }
}

run "a_warm_bridge_keeps_its_cpu" {
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
  assert {
    condition     = output.workers == {} && output.scheduler_job == "studio-relay"
    error_message = "It is not called any more, or a worker that nobody asked for is paid for."
  }
}

run "as_a_worker_the_bridge_is_always_there_and_nobody_calls_it" {
  variables {
    relay_workers = 2
  }
  assert {
    condition     = output.workers == { relay = "studio-relay-worker" } && google_cloud_run_v2_worker_pool.relay["relay"].scaling[0].manual_instance_count == 2 && google_cloud_run_v2_worker_pool.relay["relay"].template[0].service_account == google_service_account.service["relay"].email
    error_message = "There is no worker, not as many as asked for, or as another."
  }
  assert {
    condition     = output.scheduler_job == null && length(google_cloud_scheduler_job.relay) == 0 && google_cloud_run_v2_service.this["relay"].template[0].scaling[0].min_instance_count == 0
    error_message = "The service is called, too, or waits for calls at a price."
  }
  assert {
    condition     = { for e in output.settings["relay-worker"] : e.name => e.value if !contains(["RELAY_WORKER", "RELAY_IDLE", "AMQP_URL"], e.name) } == { for e in output.settings["relay"] : e.name => e.value if !contains(["RELAY_IDLE", "AMQP_URL"], e.name) }
    error_message = "The worker has other settings than the service."
  }
  assert {
    condition     = one([for e in output.settings["relay-worker"] : e.value if e.name == "RELAY_WORKER"]) == "true" && one([for e in output.settings["relay-worker"] : e.value if e.name == "RELAY_IDLE"]) == "1m"
    error_message = "It waits to be called, or is silent for so long that the alert about a missing relay fires."
  }
  assert {
    condition     = one([for e in google_cloud_run_v2_worker_pool.relay["relay"].template[0].containers[0].env : e.value_source[0].secret_key_ref[0].secret if e.name == "AMQP_URL"]) == "studio-amqp-bridge" && toset([for v in google_cloud_run_v2_worker_pool.relay["relay"].template[0].volumes : v.secret[0].secret]) == toset(["studio-tenants", "studio-rabbitmq-ca"])
    error_message = "It has not the secrets that the service has."
  }
  assert {
    condition     = google_cloud_run_v2_worker_pool.relay["relay"].template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" && google_cloud_run_v2_worker_pool.relay["relay"].template[0].vpc_access[0].network_interfaces[0].subnetwork == "studio-functions"
    error_message = "It does not reach RabbitMQ."
  }
  assert {
    condition     = google_cloud_run_v2_worker_pool.relay["relay"].template[0].containers[0].image == google_cloud_run_v2_service.this["relay"].template[0].containers[0].image
    error_message = "Until the next build it would run the image that stands in, and nobody would take requests."
  }
  assert {
    condition     = google_cloud_run_v2_worker_pool_iam_member.build["relay"].role == "roles/run.developer" && google_cloud_run_v2_worker_pool_iam_member.build["relay"].member == "serviceAccount:studio-build@a-project.iam.gserviceaccount.com"
    error_message = "Cloud Build cannot roll the worker out."
  }
}

run "a_second_apply_of_a_worker_changes_nothing" {
  command = plan
  variables {
    relay_workers = 2
  }
}

run "a_warm_service_beside_a_worker_is_refused" {
  command = plan
  variables {
    relay_workers   = 1
    relay_instances = { least = 1 }
  }
  expect_failures = [google_cloud_run_v2_worker_pool.relay["relay"]]
}

run "half_a_worker_is_refused" {
  command = plan
  variables {
    relay_workers = 0.5
  }
  expect_failures = [var.relay_workers]
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
