output "requests" {
  description = "By pool: name of the topic, which is the subscription's too."
  # Through the subscriptions, so that who uses a name waits until both are there.
  value = { for pool, s in google_pubsub_subscription.requests : pool => s.name }
}

output "topics" {
  description = "Names of the other topics by what they carry: reports, events, artifacts, dead_letters."
  value = {
    reports      = google_pubsub_topic.this["studio-reports"].name
    events       = google_pubsub_topic.this["studio-events"].name
    artifacts    = google_pubsub_topic.this["studio-artifacts"].name
    dead_letters = google_pubsub_topic.this["studio-dead-letters"].name
  }
}

output "dead_letters_subscription" {
  description = "Name of the subscription that holds dead letters for people."
  value       = google_pubsub_subscription.dead_letters.name
}

output "events_subscriptions" {
  description = "By the name that was asked for: name of the ordered subscription on studio-events."
  value       = { for name, s in google_pubsub_subscription.events : name => s.name }
}
