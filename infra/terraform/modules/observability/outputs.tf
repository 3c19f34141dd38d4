output "dashboard" {
  description = "Id of the dashboard."
  value       = google_monitoring_dashboard.this.id
}

output "alerts" {
  description = "By runbook: the alert's name."
  value       = { for runbook, a in google_monitoring_alert_policy.this : runbook => a.display_name }
}

output "channels" {
  description = "Ids of the channels that alerts go to, in the order of emails."
  value       = [for e in var.emails : google_monitoring_notification_channel.email[e].id]
}
