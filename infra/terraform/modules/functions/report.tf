# Report takes reports to RabbitMQ: an ordered push subscription calls it, which Eventarc's own is not.

resource "google_service_account" "push" {
  project      = var.project
  account_id   = "${var.name}-push"
  display_name = "StudioML push"
  description  = "Pub/Sub and Eventarc: call the functions report and finalize."
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = toset(["report", "finalize"])

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.this[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}

# Pub/Sub signs its calls as that account.
resource "google_service_account_iam_member" "push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${var.service_agents.pubsub}"
}

resource "google_pubsub_subscription" "reports" {
  project = var.project
  name    = "studio-reports"
  topic   = "projects/${var.project}/topics/${var.topics.reports}"
  labels  = var.labels

  enable_message_ordering    = true
  ack_deadline_seconds       = 60
  message_retention_duration = "86400s" # a report of yesterday tells nobody anything

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }

  push_config {
    push_endpoint = "${google_cloud_run_v2_service.this["report"].uri}/"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = google_cloud_run_v2_service.this["report"].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.push, google_service_account_iam_member.push]
}

# Cloud Build's smoke test looks whether it is as it must be.
resource "google_pubsub_subscription_iam_member" "build" {
  project      = var.project
  subscription = google_pubsub_subscription.reports.name
  role         = "roles/pubsub.viewer"
  member       = "serviceAccount:${var.build_service_account}"
}
