output "deployment" {
  description = "Everything that is known by a name, for Cloud Build, for rendering manifests and for people. Nothing in it is secret."
  value       = local.deployment
}

output "build" {
  description = "The command that builds and deploys, from a clone of the repository."
  value       = "gcloud builds submit --project ${var.project} --region ${var.region} --config cloudbuild.yaml --service-account projects/${var.project}/serviceAccounts/${module.project.build_service_account} --gcs-source-staging-dir gs://${module.project.config_bucket}/source --substitutions _NAME=${var.name}"
}

output "clients" {
  description = <<-EOT
    By tenant: the secret with its AMQP URL, the one with RabbitMQ's authority, its HMAC key's, and its service account. Of users of
    another cluster's queues RabbitMQ's alone; without an AMQP secret where RabbitMQ is another's, who gives them one.
  EOT
  value = merge(
    { for u in var.rabbitmq.users : u.name => { amqp_secret = local.rabbitmq_secrets[u.name], ca_secret = local.rabbitmq_secrets["ca"], s3_secret = null, service_account = null } },
    { for t in var.tenants : t.name => {
      amqp_secret     = lookup(local.rabbitmq_secrets, t.name, null)
      ca_secret       = local.rabbitmq_secrets["ca"]
      s3_secret       = try(module.storage.s3_secrets[t.name], null)
      service_account = module.storage.clients[t.name]
    } },
  )
}
