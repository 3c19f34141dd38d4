# Ordered subscriptions of tools that follow experiments: a property of the subscription, which must be there from its first day.

resource "google_pubsub_subscription" "events" {
  for_each = var.events_subscriptions

  project = var.project
  name    = "studio-events-${each.key}"
  topic   = google_pubsub_topic.this["studio-events"].id
  labels  = var.labels

  enable_message_ordering    = true # by the experiment's key, with which events are published
  message_retention_duration = "604800s"
  ack_deadline_seconds       = 60

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "600s"
  }
}

# Clients look at the subscription first, to learn that it is ordered.
resource "google_pubsub_subscription_iam_member" "events" {
  for_each = merge(flatten([for name, members in var.events_subscriptions : [for m in members : [for role in ["roles/pubsub.subscriber", "roles/pubsub.viewer"] :
    { "${name} ${role} ${m}" = { name = name, role = role, member = m } }
  ]]])...)

  project      = var.project
  subscription = google_pubsub_subscription.events[each.value.name].name
  role         = each.value.role
  member       = each.value.member
}
