mock_provider "google" {}

variables {
  project               = "a-project"
  region                = "europe-west4"
  requests              = { gpu-t4 = "studio-requests-gpu-t4", quick = "studio-requests-quick" }
  topics                = { events = "studio-events", dead_letters = "studio-dead-letters", reports = "studio-reports" }
  buckets               = { write = ["acme-vision", "acme-vision-metadata"], read = ["shared-datasets", "acme-vision"] }
  workload_pool         = "a-project.svc.id.goog"
  tenants_secret        = "studio-tenants"
  build_service_account = "studio-build@a-project.iam.gserviceaccount.com"
  pools_json            = "[]"
  trusted               = true
  pools = [
    { name = "gpu-t4", kind = "gke", gpus = 1, cpus = 3, ram = "10gb", hdd = "100gb" },
    { name = "quick", kind = "run-job", cpus = 4, ram = "8gb", hdd = "4gb", machine = { max_nodes = 3 } },
  ]
}

run "executors_reach_what_they_need_and_no_more" {
  assert {
    condition     = alltrue([for s in google_pubsub_subscription_iam_member.executor : s.role == "roles/pubsub.subscriber"]) && toset([for s in google_pubsub_subscription_iam_member.executor : s.subscription]) == toset(["studio-requests-gpu-t4", "studio-requests-quick"])
    error_message = "Not the pools' subscriptions, or more than to take from them."
  }
  assert {
    condition     = toset([for t in google_pubsub_topic_iam_member.executor : "${t.topic} ${t.role}"]) == toset(["studio-events roles/pubsub.publisher", "studio-dead-letters roles/pubsub.publisher", "studio-reports roles/pubsub.publisher"])
    error_message = "Not the three topics, or more than to publish."
  }
  assert {
    condition     = toset([for b in google_storage_bucket_iam_member.write : "${b.bucket} ${b.role}"]) == toset(["acme-vision roles/storage.objectUser", "acme-vision-metadata roles/storage.objectUser"])
    error_message = "Not the tenants' buckets."
  }
  assert {
    condition     = toset([for b in google_storage_bucket_iam_member.read : "${b.bucket} ${b.role}"]) == toset(["shared-datasets roles/storage.objectViewer"])
    error_message = "A further bucket may be written, or not read."
  }
  assert {
    condition     = google_service_account_iam_member.executor["studio/executor"].member == "serviceAccount:a-project.svc.id.goog[studio/executor]"
    error_message = "Another Kubernetes account becomes the executor, or none."
  }
}

run "request_keys_are_the_owners" {
  assert {
    condition     = output.request_secrets == { key = "studio-request-key", passphrase = "studio-request-passphrase" }
    error_message = "No secrets for the request key."
  }
  assert {
    condition     = alltrue([for m in google_secret_manager_secret_iam_member.request : m.member == google_service_account.executor.member && m.role == "roles/secretmanager.secretAccessor"])
    error_message = "Others read the request key."
  }
}

run "pools_of_jobs_are_jobs" {
  assert {
    condition     = output.jobs == { quick = "studio-quick" }
    error_message = "Not one job for each pool of jobs."
  }
  assert {
    condition     = google_cloud_run_v2_job.pool["quick"].template[0].template[0].timeout == "604800s" && google_cloud_run_v2_job.pool["quick"].template[0].template[0].service_account == google_service_account.executor.email
    error_message = "It ends too early, or runs as another."
  }
  assert {
    condition     = strcontains(google_cloud_run_v2_job.pool["quick"].template[0].template[0].containers[0].image, "us-docker.pkg.dev/cloudrun/container/job")
    error_message = "It needs an image that is not there before the first build."
  }
  assert {
    condition     = google_cloud_run_v2_job.pool["quick"].template[0].template[0].containers[0].command == tolist(["/usr/local/bin/executor"]) && one([for e in google_cloud_run_v2_job.pool["quick"].template[0].template[0].containers[0].env : e.value if e.name == "METADATA_GUARD"]) == "false"
    error_message = "No task would ever start: Cloud Run gives nobody the right that the guard needs."
  }
  assert {
    condition     = google_cloud_run_v2_job.pool["quick"].template[0].labels["studio-pool"] == "quick"
    error_message = "The bill does not tell what the pool costs."
  }
  assert {
    condition     = google_workflows_workflow.starter["quick"].user_env_vars.MOST == "3" && google_workflows_workflow.starter["quick"].user_env_vars.SUBSCRIPTION == "studio-requests-quick"
    error_message = "Nothing starts the job, or too much."
  }
  assert {
    condition     = google_cloud_scheduler_job.starter["quick"].http_target[0].oauth_token[0].service_account_email == google_service_account.starter["starter"].email
    error_message = "The starter is called as another."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "request_keys_are_mounted_when_they_are_there" {
  command = plan
  variables {
    request_keys_ready = true
  }
  assert {
    condition     = toset([for v in google_cloud_run_v2_job.pool["quick"].template[0].template[0].volumes : v.name]) == toset(["tenants", "request-key", "request-passphrase"])
    error_message = "The job does not get the request key."
  }
}

run "without_jobs_nothing_starts_any" {
  command = plan
  variables {
    pools = [{ name = "gpu-t4", kind = "gke", gpus = 1, cpus = 3, ram = "10gb", hdd = "100gb" }]
  }
  assert {
    condition     = length(google_service_account.starter) + length(google_project_iam_member.starter) + length(google_cloud_run_v2_job.pool) == 0
    error_message = "An account without a use."
  }
}

run "jobs_for_people_that_you_do_not_know_are_refused" {
  command = plan
  variables {
    trusted = false
  }
  expect_failures = [google_cloud_run_v2_job.pool["quick"]]
}

run "without_jobs_nobody_need_be_trusted" {
  command = plan
  variables {
    trusted = false
    pools   = [{ name = "gpu-t4", kind = "gke", gpus = 1, cpus = 3, ram = "10gb", hdd = "100gb" }]
  }
  assert {
    condition     = length(google_cloud_run_v2_job.pool) == 0
    error_message = "A job that nobody asked for."
  }
}

run "a_job_with_a_gpu_is_refused" {
  command = plan
  variables {
    pools = [{ name = "quick", kind = "run-job", gpus = 1, cpus = 4, ram = "8gb", hdd = "4gb" }]
  }
  expect_failures = [google_cloud_run_v2_job.pool["quick"]]
}

run "a_job_whose_disk_and_memory_do_not_fit_is_refused" {
  command = plan
  variables {
    pools = [{ name = "quick", kind = "run-job", cpus = 4, ram = "12gb", hdd = "50gb" }]
  }
  expect_failures = [google_cloud_run_v2_job.pool["quick"]]
}

run "a_job_with_less_memory_than_its_cpus_need_is_refused" {
  command = plan
  variables {
    pools = [{ name = "quick", kind = "run-job", cpus = 8, ram = "2gb", hdd = "1gb" }]
  }
  expect_failures = [google_cloud_run_v2_job.pool["quick"]]
}

run "a_job_with_three_cpus_is_refused" {
  command = plan
  variables {
    pools = [{ name = "quick", kind = "run-job", cpus = 3, ram = "2gb", hdd = "1gb" }]
  }
  expect_failures = [google_cloud_run_v2_job.pool["quick"]]
}

run "a_job_name_too_long_is_refused" {
  command = plan
  variables {
    name     = "studio-of-acme"
    pools    = [{ name = "a-pool-with-a-name-of-exactly-forty-char", kind = "run-job", cpus = 4, ram = "2gb", hdd = "1gb" }]
    requests = { a-pool-with-a-name-of-exactly-forty-char = "studio-requests-a-pool-with-a-name-of-exactly-forty-char" }
  }
  expect_failures = [google_cloud_run_v2_job.pool["a-pool-with-a-name-of-exactly-forty-char"]]
}
