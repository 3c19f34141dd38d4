# KEDA reads the subscriptions' metrics. Cloud Monitoring's data can only be granted for a whole project.

resource "google_service_account" "keda" {
  project      = var.project
  account_id   = "${var.name}-keda"
  display_name = "StudioML KEDA"
  description  = "The cluster's scaler: reads metrics."
}

resource "google_project_iam_member" "keda" {
  project = var.project
  role    = "roles/monitoring.viewer"
  member  = google_service_account.keda.member
}

resource "google_service_account_iam_member" "keda" {
  for_each = var.workload_pool == null ? toset([]) : toset(["keda/keda-operator"])

  service_account_id = google_service_account.keda.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.workload_pool}[${each.key}]"
}
