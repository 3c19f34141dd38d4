# Who executors are, in the cluster and as jobs, and everything that they may do.

resource "google_service_account" "executor" {
  project      = var.project
  account_id   = "${var.name}-executor"
  display_name = "StudioML executor"
  description  = "Executors: take requests, read and write the tenants' buckets, report."
}

resource "google_pubsub_subscription_iam_member" "executor" {
  for_each = var.requests

  project      = var.project
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.executor.member
}

resource "google_pubsub_topic_iam_member" "executor" {
  for_each = var.topics

  project = var.project
  topic   = each.value
  role    = "roles/pubsub.publisher"
  member  = google_service_account.executor.member
}

resource "google_storage_bucket_iam_member" "write" {
  for_each = toset(var.buckets.write)

  bucket = each.key
  role   = "roles/storage.objectUser" # overwriting a checkpoint takes the right to delete
  member = google_service_account.executor.member
}

resource "google_storage_bucket_iam_member" "read" {
  for_each = setsubtract(var.buckets.read, var.buckets.write)

  bucket = each.key
  role   = "roles/storage.objectViewer"
  member = google_service_account.executor.member
}

# The cluster's executors: Kubernetes' service account studio/executor, and no other of the cluster.
resource "google_service_account_iam_member" "executor" {
  for_each = var.workload_pool == null ? toset([]) : toset(["studio/executor"])

  service_account_id = google_service_account.executor.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.workload_pool}[${each.key}]"
}

# The key that sealed requests are opened with, and its passphrase. Their owner adds versions (studioctl keys, docs/keys.md);
# Terraform knows the names only.
resource "google_secret_manager_secret" "request" {
  for_each = toset(["request-key", "request-passphrase"])

  project   = var.project
  secret_id = "${var.name}-${each.key}"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "request" {
  for_each = google_secret_manager_secret.request

  project   = var.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.executor.member
}

resource "google_secret_manager_secret_iam_member" "tenants" {
  for_each = length(local.jobs) == 0 ? toset([]) : toset(["tenants"])

  project   = var.project
  secret_id = var.tenants_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.executor.member
}
