output "service_account" {
  description = "E-mail of the executors' service account."
  value       = google_service_account.executor.email
}

output "keda_service_account" {
  description = "E-mail of KEDA's service account."
  value       = google_service_account.keda.email
}

output "starter_service_account" {
  description = "E-mail of the account that starts jobs; null without pools of jobs."
  value       = try(google_service_account.starter["starter"].email, null)
}

output "request_secrets" {
  description = "Names of the secrets of the request key and its passphrase, to which their owner adds versions."
  value       = { for key, s in google_secret_manager_secret.request : trimprefix(key, "request-") => s.secret_id }
}

output "jobs" {
  description = "By pool of kind run-job: name of its Cloud Run job."
  value       = { for pool, job in google_cloud_run_v2_job.pool : pool => job.name }
}
