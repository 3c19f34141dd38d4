output "services" {
  description = "Names of the services: relay, report, finalize."
  value       = { for key, s in google_cloud_run_v2_service.this : key => s.name }
}

output "workers" {
  description = "Names of the worker pools, by the function whose image they have: relay where it is a worker, or none."
  value       = { for key, w in google_cloud_run_v2_worker_pool.relay : key => w.name }
}

output "service_accounts" {
  description = "E-mails of the accounts: relay, report, finalize, scheduler and push."
  value = merge(
    { for key, account in google_service_account.service : key => account.email },
    { scheduler = google_service_account.scheduler.email, push = google_service_account.push.email },
  )
}

output "settings" {
  description = "By service, and by worker pool as relay-worker: its environment, as name and value. A secret's value is not in it."
  value = merge(
    { for key, s in google_cloud_run_v2_service.this : key => [for e in s.template[0].containers[0].env : { name = e.name, value = e.value }] },
    { for key, w in google_cloud_run_v2_worker_pool.relay : "${key}-worker" => [for e in w.template[0].containers[0].env : { name = e.name, value = e.value }] },
  )
}

output "tenants_secret" {
  description = "Name of the secret with TENANTS."
  # Through the version, so that who mounts it waits for one.
  value = element(split("/", google_secret_manager_secret_version.tenants.secret), length(split("/", google_secret_manager_secret_version.tenants.secret)) - 1)
}

output "scheduler_job" {
  description = "Name of the scheduler's job that calls relay; null where relay is a worker."
  value       = one([for job in google_cloud_scheduler_job.relay : job.name])
}
