# After a rollout Cloud Build asks `studioctl doctor`. What that reads and has a policy of its own is granted beside it; these have
# none: the scheduler's job, Compute Engine's quotas, metrics.

resource "google_project_iam_custom_role" "doctor" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_doctor_${google_service_account.build.unique_id}" # named like the role build
  title       = "${var.name} doctor"
  description = "Reads what tells whether the deployment is well."
  permissions = ["cloudscheduler.jobs.get", "compute.projects.get", "compute.regions.get", "monitoring.timeSeries.list"]
}

resource "google_project_iam_member" "doctor" {
  project = var.project
  role    = google_project_iam_custom_role.doctor.id
  member  = google_service_account.build.member
}
