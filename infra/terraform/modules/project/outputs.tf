output "project" {
  description = "The project's id, once its APIs are on."
  value       = var.project
  depends_on = [
    google_project_service.this, google_project_service_identity.this, google_project_iam_member.eventarc, google_kms_crypto_key_iam_member.at_rest,
  ]
}

output "registry" {
  description = "Where images are: host/project/repository, and the repository's parts for grants."
  value = {
    url        = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
    location   = var.region
    repository = google_artifact_registry_repository.this.name
  }
}

output "config_bucket" {
  description = "Bucket of deployment.json and of what is uploaded to build."
  value       = google_storage_bucket.config.name
}

output "build_service_account" {
  description = "E-mail of the account that Cloud Build runs as."
  value       = google_service_account.build.email
}

output "build_users" {
  description = "Who that account is to Kubernetes: its e-mail, or its unique id where a token does not tell the e-mail."
  value       = [google_service_account.build.email, google_service_account.build.unique_id]
}

output "signing_key" {
  description = "Cloud KMS key that signs images, as cosign names it."
  value       = "gcpkms://${google_kms_crypto_key.images.id}"
}

output "service_agents" {
  description = "E-mails of Google's own accounts: pubsub and storage."
  value = {
    pubsub  = google_project_service_identity.this["pubsub.googleapis.com"].email
    storage = data.google_storage_project_service_account.this.email_address
  }
}

output "number" {
  description = "The project's number."
  value       = data.google_project.this.number
}
