output "deployment" {
  description = "Everything that is known by a name, for Cloud Build, for rendering manifests and for people. Nothing in it is secret."
  value       = local.deployment
}

output "build" {
  description = "The command that builds and deploys, from a clone of the repository."
  value       = "gcloud builds submit --project ${var.project} --region ${var.region} --config cloudbuild.yaml --service-account projects/${var.project}/serviceAccounts/${module.project.build_service_account} --gcs-source-staging-dir gs://${module.project.config_bucket}/source --substitutions _REGION=${var.region},_NAME=${var.name}"
}

output "clients" {
  description = "By tenant: the secret with its AMQP URL, the one with RabbitMQ's authority, its HMAC key's, and its service account."
  value = { for t in var.tenants : t.name => {
    amqp_secret     = module.rabbitmq.secrets[t.name]
    ca_secret       = module.rabbitmq.secrets["ca"]
    s3_secret       = try(module.storage.s3_secrets[t.name], null)
    service_account = module.storage.clients[t.name]
  } }
}
