# Pools of kind run-job: a Cloud Run job each, for work without a GPU. A workflow looks every few minutes how many requests wait,
# and starts as many tasks as they need; a task ends when nothing came for five minutes.

locals {
  jobs = { for p in var.pools : p.name => p if p.kind == "run-job" }

  unit = { "" = 0, k = 1, m = 2, g = 3, t = 4 }

  # A task's memory in MiB: its disk is memory, too, and the executor's own 512 MiB come on top.
  memory = {
    for name, p in local.jobs : name => 512 + ceil(sum([
      for text in [p.ram, p.hdd] : tonumber(regex("^([0-9.]+)", text)[0]) *
      pow(strcontains(lower(text), "i") ? 1024 : 1000, local.unit[lower(regex("^[0-9.]+ *([kmgtKMGT]?)", text)[0])])
    ]) / 1048576)
  }

  request_files = var.request_keys_ready ? { request-key = "key", request-passphrase = "passphrase" } : {}
}

resource "google_cloud_run_v2_job" "pool" {
  for_each = local.jobs

  project             = var.project
  location            = var.region
  name                = "${var.name}-${each.key}"
  labels              = merge(var.labels, { studio-pool = each.key })
  deletion_protection = var.deletion_protection

  template {
    task_count  = 1
    parallelism = 1
    labels      = merge(var.labels, { studio-pool = each.key }) # of these alone Cloud Billing knows

    template {
      service_account       = google_service_account.executor.email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      timeout               = "604800s" # seven days, the longest: https://cloud.google.com/run/docs/configuring/task-timeout
      max_retries           = 0         # Pub/Sub gives a lost request to the next task

      containers {
        # Until the first build; later images are Cloud Build's (ignore_changes below).
        image   = "us-docker.pkg.dev/cloudrun/container/job:latest"
        command = ["/usr/local/bin/executor"]

        dynamic "env" {
          for_each = merge({
            GOOGLE_CLOUD_PROJECT = var.project
            POOL                 = each.key
            POOLS                = var.pools_json
            TENANTS              = "/etc/studio/tenants/tenants.json"
            EVENTS_TOPIC         = var.topics.events
            DEAD_LETTER_TOPIC    = var.topics.dead_letters
            REPORTS_TOPIC        = var.topics.reports
            CLEAR_TEXT_MESSAGES  = tostring(var.clear_text_messages)
            EXPERIMENT_UID       = "10000"
            METADATA_GUARD       = "false" # nothing can guard it here: see trusted
            LIMIT_IDLE_DURATION  = "5m"
            }, var.request_keys_ready ? {
            REQUEST_KEYS            = "/etc/studio/request-key/key"
            REQUEST_PASSPHRASE_FILE = "/etc/studio/request-passphrase/passphrase"
          } : {})
          content {
            name  = env.key
            value = env.value
          }
        }

        resources {
          limits = { cpu = tostring(each.value.cpus), memory = "${local.memory[each.key]}Mi" }
        }

        volume_mounts {
          name       = "tenants"
          mount_path = "/etc/studio/tenants"
        }
        dynamic "volume_mounts" {
          for_each = local.request_files
          content {
            name       = volume_mounts.key
            mount_path = "/etc/studio/${volume_mounts.key}"
          }
        }
      }

      volumes {
        name = "tenants"
        secret {
          secret       = var.tenants_secret
          default_mode = 256 # 0400
          items {
            version = "latest"
            path    = "tenants.json"
          }
        }
      }
      dynamic "volumes" {
        for_each = local.request_files
        content {
          name = volumes.key
          secret {
            secret       = google_secret_manager_secret.request[volumes.key].secret_id
            default_mode = 256
            items {
              version = "latest"
              path    = volumes.value
            }
          }
        }
      }
    }
  }

  lifecycle {
    # Rollouts are Cloud Build's: an apply after one changes nothing.
    ignore_changes = [
      template[0].template[0].containers[0].image, template[0].template[0].containers[0].name, template[0].labels,
      template[0].annotations, client, client_version,
    ]

    precondition {
      # The guard's rules need NET_ADMIN, which Cloud Run gives nobody: docs/adr/0002-metadata-guard.md
      condition     = var.trusted
      error_message = "Pool ${each.key}: on Cloud Run nothing keeps experiments from asking the metadata server for the executor's token, with which they reach every tenant. Set trusted = true where you know all who submit, or make its kind gke."
    }
    precondition {
      condition     = each.value.gpus == 0
      error_message = "Pool ${each.key}: a job's task has no GPU for days; make its kind gke."
    }
    precondition {
      # https://cloud.google.com/run/docs/configuring/jobs/cpu
      condition     = contains([1, 2, 4, 6, 8], each.value.cpus)
      error_message = "Pool ${each.key}: a job's task has 1, 2, 4, 6 or 8 cpus, not ${each.value.cpus}."
    }
    precondition {
      # https://docs.cloud.google.com/run/docs/configuring/jobs/memory-limits (required memory when setting a CPU value)
      condition     = local.memory[each.key] >= lookup({ 4 = 2048, 6 = 4096, 8 = 4096 }, each.value.cpus, 512)
      error_message = "Pool ${each.key}: ram and hdd together, with 512 MiB for the executor, are ${local.memory[each.key]} MiB, and Cloud Run gives a task with ${each.value.cpus} cpus at least ${lookup({ 4 = 2048, 6 = 4096, 8 = 4096 }, each.value.cpus, 512)}. Say more ram or hdd, or fewer cpus."
    }
    precondition {
      condition     = local.memory[each.key] <= lookup({ 1 = 4096, 2 = 8192, 4 = 16384, 6 = 24576, 8 = 32768 }, each.value.cpus, 32768)
      error_message = "Pool ${each.key}: ram and hdd together are ${local.memory[each.key]} MiB, more than a task with ${each.value.cpus} cpus may have: its disk is memory. Ask for less, more cpus, or make its kind gke."
    }
    precondition {
      condition     = length("${var.name}-${each.key}") <= 49
      error_message = "Pool ${each.key}: the job's name ${var.name}-${each.key} would have more than 49 characters; shorten the pool's."
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.tenants, google_secret_manager_secret_iam_member.request]
}

resource "google_cloud_run_v2_job_iam_member" "build" {
  for_each = google_cloud_run_v2_job.pool

  project  = var.project
  location = var.region
  name     = each.value.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.build_service_account}"
}

# Who deploys a job must be allowed to make it run as its account.
resource "google_service_account_iam_member" "build" {
  for_each = length(local.jobs) == 0 ? toset([]) : toset(["executor"])

  service_account_id = google_service_account.executor.name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.build_service_account}"
}

resource "google_service_account" "starter" {
  for_each = length(local.jobs) == 0 ? toset([]) : toset(["starter"])

  project      = var.project
  account_id   = "${var.name}-starter"
  display_name = "StudioML starter of jobs"
  description  = "Starts tasks of pools of jobs where requests wait."
}

# Metrics and workflows have no policies of their own (the provider knows none for workflows).
resource "google_project_iam_member" "starter" {
  for_each = length(local.jobs) == 0 ? toset([]) : toset(["roles/monitoring.viewer", "roles/workflows.invoker"])

  project = var.project
  role    = each.key
  member  = google_service_account.starter["starter"].member
}

resource "google_cloud_run_v2_job_iam_member" "starter" {
  for_each = { for pair in setproduct(keys(local.jobs), ["roles/run.invoker", "roles/run.viewer"]) : "${pair[0]} ${pair[1]}" => pair }

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_job.pool[each.value[0]].name
  role     = each.value[1]
  member   = google_service_account.starter["starter"].member
}

resource "google_workflows_workflow" "starter" {
  for_each = local.jobs

  project             = var.project
  region              = var.region
  name                = "${var.name}-start-${each.key}"
  description         = "Starts tasks of the pool ${each.key} where requests wait."
  service_account     = google_service_account.starter["starter"].id
  deletion_protection = var.deletion_protection
  labels              = var.labels
  source_contents     = file("${path.module}/starter.yaml")

  user_env_vars = {
    SUBSCRIPTION = var.requests[each.key]
    JOB          = "projects/${var.project}/locations/${var.region}/jobs/${google_cloud_run_v2_job.pool[each.key].name}"
    PER_TASK     = tostring(each.value.cpus)
    MOST         = tostring(each.value.machine.max_nodes)
  }
}

resource "google_cloud_scheduler_job" "starter" {
  for_each = local.jobs

  project          = var.project
  region           = var.region
  name             = "${var.name}-start-${each.key}"
  description      = "Looks whether requests wait for the pool ${each.key}."
  schedule         = var.start_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"

  http_target {
    http_method = "POST"
    uri         = "https://workflowexecutions.googleapis.com/v1/${google_workflows_workflow.starter[each.key].id}/executions"
    body        = base64encode("{}")
    headers     = { "Content-Type" = "application/json" }

    oauth_token {
      service_account_email = google_service_account.starter["starter"].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  retry_config {
    retry_count = 0 # the next one comes soon
  }

  depends_on = [google_project_iam_member.starter]
}
