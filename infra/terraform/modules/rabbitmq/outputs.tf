output "address" {
  description = "RabbitMQ's internal address."
  value       = google_compute_address.internal.address
}

output "external_address" {
  description = "RabbitMQ's external address or, where it has one, name; null without."
  value       = var.external == null ? null : coalesce(var.external.dns_name, google_compute_address.external["this"].address)
}

output "secrets" {
  description = "Names of the secrets: bridge, owner and one a tenant (AMQP URLs), ca (the authority's certificate). Values are no outputs."
  # Through the first versions, so that who mounts a secret waits until it has one.
  value = { for key, v in google_secret_manager_secret_version.first : key == "rabbitmq-ca" ? "ca" : trimprefix(key, "amqp-") => google_secret_manager_secret.this[key].secret_id }
}

output "service_account" {
  description = "E-mail of the machine's service account."
  value       = google_service_account.this.email
}

output "instance" {
  description = "The machine: name, zone, id."
  value       = { name = google_compute_instance.this.name, zone = local.zone, id = google_compute_instance.this.instance_id }
}
