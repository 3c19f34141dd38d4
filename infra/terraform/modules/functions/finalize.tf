# Finalize brings records up to date when a store has a new object: one Eventarc trigger a store.

resource "google_pubsub_topic_iam_member" "finalize" {
  project = var.project
  topic   = var.topics.events
  role    = "roles/pubsub.publisher"
  member  = google_service_account.service["finalize"].member
}

resource "google_storage_bucket_iam_member" "finalize_stores" {
  for_each = toset(var.buckets.stores)

  bucket = each.key
  role   = "roles/storage.objectUser" # a store may hold its records, too
  member = google_service_account.service["finalize"].member
}

resource "google_storage_bucket_iam_member" "finalize_metadata" {
  for_each = toset(var.buckets.metadata)

  bucket = each.key
  role   = "roles/storage.objectUser"
  member = google_service_account.service["finalize"].member
}

# Eventarc asks for these on the project, and takes no narrower grant:
# https://cloud.google.com/eventarc/docs/run/create-trigger-storage-gcloud#before-you-begin
resource "google_project_iam_member" "eventarc" {
  for_each = {
    "roles/eventarc.eventReceiver" = google_service_account.push.member
    "roles/pubsub.publisher"       = "serviceAccount:${var.service_agents.storage}" # to the topic that Eventarc makes
  }

  project = var.project
  role    = each.key
  member  = each.value
}

# A grant takes up to seven minutes to hold, and Google refuses a trigger before. The cluster takes longer, and these were made
# when its making began: https://cloud.google.com/iam/docs/access-change-propagation
resource "terraform_data" "granted" {
  input = var.cluster

  depends_on = [google_project_iam_member.eventarc, google_cloud_run_v2_service_iam_member.push, google_service_account_iam_member.push]
}

resource "google_eventarc_trigger" "finalize" {
  for_each = toset(var.buckets.stores)

  project         = var.project
  location        = var.region # the bucket's
  name            = "${var.name}-${substr(sha256(each.key), 0, 8)}"
  labels          = merge(var.labels, { bucket = replace(each.key, ".", "_") })
  service_account = google_service_account.push.email

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.finalized"
  }
  matching_criteria {
    attribute = "bucket"
    value     = each.key
  }

  destination {
    cloud_run_service {
      service = google_cloud_run_v2_service.this["finalize"].name
      region  = var.region
      path    = "/"
    }
  }

  depends_on = [terraform_data.granted, google_service_account_iam_member.push, google_storage_bucket_iam_member.finalize_stores]
}
