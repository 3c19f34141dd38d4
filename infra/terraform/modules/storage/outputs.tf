output "stores" {
  description = "Names of the buckets of artifacts."
  value       = sort([for b in google_storage_bucket.store : b.name])
}

output "metadata" {
  description = "Names of the buckets of records that are no stores."
  value       = sort([for b in google_storage_bucket.metadata : b.name])
}

output "clients" {
  description = "By tenant: e-mail of the service account of who submits."
  value       = { for tenant, account in google_service_account.client : tenant => account.email }
}

output "s3_secrets" {
  description = "By tenant with s3: name of the secret with its HMAC key. The key itself is no output."
  value       = { for tenant, secret in google_secret_manager_secret.hmac : tenant => secret.secret_id }
}
