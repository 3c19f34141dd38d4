# Relay takes requests from RabbitMQ: Cloud Scheduler calls it every minute, unless it is a worker (worker.tf).

resource "google_pubsub_topic_iam_member" "relay" {
  for_each = merge(var.requests, var.topics)

  project = var.project
  topic   = each.value
  role    = "roles/pubsub.publisher"
  member  = google_service_account.service["relay"].member
}

resource "google_service_account" "scheduler" {
  project      = var.project
  account_id   = "${var.name}-scheduler"
  display_name = "StudioML scheduler"
  description  = "Cloud Scheduler: calls the function relay."
}

resource "google_cloud_run_v2_service_iam_member" "scheduler" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.this["relay"].name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

resource "google_cloud_scheduler_job" "relay" {
  for_each = var.relay_workers > 0 ? toset([]) : toset(["relay"])

  project          = var.project
  region           = var.region
  name             = "${var.name}-relay"
  description      = "Lets the bridge take requests."
  schedule         = var.relay_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "660s"

  http_target {
    http_method = "POST"
    uri         = "${google_cloud_run_v2_service.this["relay"].uri}/"

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloud_run_v2_service.this["relay"].uri
    }
  }

  retry_config {
    retry_count = 0 # the next minute's call does what this one did not
  }

  depends_on = [google_cloud_run_v2_service_iam_member.scheduler]
}
