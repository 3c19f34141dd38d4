# Every event as a row, for questions of later (who used how much, how long did it wait).

locals {
  bigquery = var.bigquery == null ? {} : { events = var.bigquery }
}

resource "google_bigquery_dataset" "events" {
  for_each = local.bigquery

  project                    = var.project
  dataset_id                 = each.value.dataset
  location                   = each.value.location
  description                = "Events of StudioML experiments."
  labels                     = var.labels
  delete_contents_on_destroy = false

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  lifecycle {
    precondition {
      # https://cloud.google.com/bigquery/docs/customer-managed-encryption#key_location
      condition     = var.kms_key == null || lower(each.value.location) == try(split("/", var.kms_key)[3], "")
      error_message = "BigQuery takes a key of the data set's own location only: with kms_key ${coalesce(var.kms_key, "-")} the location must be ${try(split("/", var.kms_key)[3], "the key's")}, not ${each.value.location}."
    }
  }
}

# The columns are those that a BigQuery subscription with write_metadata needs.
# https://cloud.google.com/pubsub/docs/bigquery#write_metadata
resource "google_bigquery_table" "events" {
  for_each = local.bigquery

  project             = var.project
  dataset_id          = google_bigquery_dataset.events[each.key].dataset_id
  table_id            = "events"
  description         = "One row for each delivery of an event: the same fact has the same ce-id."
  labels              = var.labels
  deletion_protection = var.deletion_protection

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = each.value.expiration_days * 24 * 3600 * 1000
  }

  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE" },
    { name = "message_id", type = "STRING", mode = "NULLABLE" },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE" },
    { name = "data", type = "JSON", mode = "NULLABLE" },
    { name = "attributes", type = "JSON", mode = "NULLABLE" },
  ])
}

resource "google_bigquery_table_iam_member" "events" {
  for_each = var.bigquery == null ? toset([]) : toset(["roles/bigquery.dataEditor", "roles/bigquery.metadataViewer"])

  project    = var.project
  dataset_id = google_bigquery_table.events["events"].dataset_id
  table_id   = google_bigquery_table.events["events"].table_id
  role       = each.key
  member     = "serviceAccount:${var.service_agent}"
}

# Without ordering, which would make rows wait for one another: a table has no order, and queries have publish_time.
resource "google_pubsub_subscription" "bigquery" {
  for_each = local.bigquery

  project = var.project
  name    = "studio-events-bigquery"
  topic   = google_pubsub_topic.this["studio-events"].id
  labels  = var.labels

  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }

  bigquery_config {
    table          = "${var.project}.${google_bigquery_table.events[each.key].dataset_id}.${google_bigquery_table.events[each.key].table_id}"
    write_metadata = true
  }

  # A row that BigQuery does not take goes where people look, rather than being tried for a week.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["studio-dead-letters"].id
    max_delivery_attempts = 10
  }

  depends_on = [google_bigquery_table_iam_member.events, google_pubsub_topic_iam_member.dead_letters]
}

resource "google_pubsub_subscription_iam_member" "bigquery" {
  for_each = google_pubsub_subscription.bigquery

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.service_agent}"
}
