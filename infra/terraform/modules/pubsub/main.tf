# Topics and subscriptions by the names that the programs expect (internal/pool.Topic, docs/settings.md), so that a project
# holds one deployment.

locals {
  # https://cloud.google.com/pubsub/docs/subscription-message-retention: 31 days is the longest.
  longest_retention = "2678400s"

  requests = { for p in var.pools : p.name => "studio-requests-${p.name}" }

  topics = merge(
    { for pool, topic in local.requests : topic => { pool = pool } },
    { for topic in ["studio-reports", "studio-events", "studio-artifacts", "studio-dead-letters"] : topic => {} },
  )
}

resource "google_pubsub_topic" "this" {
  for_each = local.topics

  project      = var.project
  name         = each.key
  kms_key_name = var.kms_key
  labels       = merge(var.labels, each.value)

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# One topic and one subscription a pool: a wrong list of pools makes a publish fail, and the request stay in RabbitMQ.
resource "google_pubsub_subscription" "requests" {
  for_each = local.requests

  project = var.project
  name    = each.value
  topic   = google_pubsub_topic.this[each.value].id
  labels  = merge(var.labels, { pool = each.key })

  enable_exactly_once_delivery = true
  message_retention_duration   = local.longest_retention
  # Executors extend it for days, 60 s at a time; what an executor held that died comes again within a minute.
  ack_deadline_seconds = 60

  expiration_policy {
    ttl = "" # never, however long nobody submits
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["studio-dead-letters"].id
    max_delivery_attempts = var.max_delivery_attempts
  }

  # A policy without its grants drops nothing and says nothing: messages would just come again for ever.
  depends_on = [google_pubsub_topic_iam_member.dead_letters]
}

resource "google_pubsub_topic_iam_member" "dead_letters" {
  project = var.project
  topic   = google_pubsub_topic.this["studio-dead-letters"].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${var.service_agent}"
}

resource "google_pubsub_subscription_iam_member" "requests" {
  for_each = google_pubsub_subscription.requests

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.service_agent}"
}

# Who may see how topics and subscriptions are, and take nothing from them.
resource "google_pubsub_topic_iam_member" "viewer" {
  for_each = { for pair in setproduct(keys(local.topics), keys(var.viewers)) : "${pair[1]} ${pair[0]}" => pair }

  project = var.project
  topic   = google_pubsub_topic.this[each.value[0]].name
  role    = "roles/pubsub.viewer"
  member  = "serviceAccount:${var.viewers[each.value[1]]}"
}

resource "google_pubsub_subscription_iam_member" "viewer" {
  for_each = { for pair in setproduct(concat(values(local.requests), ["studio-dead-letters"]), keys(var.viewers)) : "${pair[1]} ${pair[0]}" => pair }

  project      = var.project
  subscription = each.value[0]
  role         = "roles/pubsub.viewer"
  member       = "serviceAccount:${var.viewers[each.value[1]]}"

  depends_on = [google_pubsub_subscription.requests, google_pubsub_subscription.dead_letters]
}

# Where people read dead letters, and what the alert watches.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project
  name    = "studio-dead-letters"
  topic   = google_pubsub_topic.this["studio-dead-letters"].id
  labels  = var.labels

  message_retention_duration = local.longest_retention
  ack_deadline_seconds       = 600

  expiration_policy {
    ttl = ""
  }
}
