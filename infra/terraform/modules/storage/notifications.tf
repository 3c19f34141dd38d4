# Tools downstream follow artifacts by studio-artifacts. Finalize does not: Eventarc tells it (modules/functions).

resource "google_pubsub_topic_iam_member" "artifacts" {
  project = var.project
  topic   = var.artifacts_topic
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${var.service_agent}"
}

# Who may see a store's settings, its notifications among them, and no object: Cloud Build, for its smoke test.
resource "google_storage_bucket_iam_member" "viewer" {
  for_each = { for pair in setproduct(local.stores, keys(var.viewers)) : "${pair[1]} ${pair[0]}" => pair }

  bucket = google_storage_bucket.store[each.value[0]].name
  role   = "roles/storage.bucketViewer"
  member = "serviceAccount:${var.viewers[each.value[1]]}"
}

resource "google_storage_notification" "artifacts" {
  for_each = google_storage_bucket.store

  bucket         = each.value.name
  payload_format = "JSON_API_V1"
  # The full name: with a short one Cloud Storage's answer differs, and every apply would make the notification anew.
  topic       = "//pubsub.googleapis.com/projects/${var.project}/topics/${var.artifacts_topic}"
  event_types = ["OBJECT_FINALIZE", "OBJECT_DELETE"]

  depends_on = [google_pubsub_topic_iam_member.artifacts]
}
