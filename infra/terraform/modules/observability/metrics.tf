# Metrics from the programs' own lines, which say what no metric of Google's does. A line is found by its constant message. Counters
# only: the numbers that a line holds would make distributions, of which a chart draws no sum.

locals {
  service = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name="
  # The bridge, as the service that is called or as the worker that is always there.
  relay_type = var.relay_worker == null ? "cloud_run_revision" : "cloud_run_worker_pool"
  relay      = var.relay_worker == null ? "${local.service}\"${var.relay_service}\"" : "resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=\"${var.relay_worker}\""
  # Executors: containers of the cluster, and tasks of jobs.
  executor = "(resource.type=\"k8s_container\" AND resource.labels.namespace_name=\"studio\" OR resource.type=\"cloud_run_job\")"

  counters = {
    relay_runs   = { filter = "${local.relay} AND jsonPayload.message=\"relay ended\"", about = "Runs of the relay that came to their end." }
    relay_faults = { filter = "${local.relay} AND jsonPayload.message=\"relay failed\"", about = "Runs of the relay that failed." }
    refused      = { filter = "${local.relay} AND jsonPayload.message=\"request refused\"", about = "Requests that became dead letters at the bridge." }
    claimed      = { filter = "${local.executor} AND jsonPayload.message=\"experiment claimed\"", about = "Attempts that began." }
    saved        = { filter = "${local.executor} AND jsonPayload.message=\"experiment saved\"", about = "Experiments whose results are saved." }
    recorded     = { filter = "${local.service}\"${var.finalize_service}\" AND jsonPayload.message=\"output recorded\"", about = "Changes of records by outputs." }
    lost         = { filter = "${local.executor} AND jsonPayload.outcome=\"lost\"", about = "Experiments that the infrastructure failed too often." }
    gpu_bad      = { filter = "${local.executor} AND jsonPayload.message=\"GPU went bad and is taken out of use\"", about = "Cards taken out of use." }
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.counters

  project     = var.project
  name        = "${var.name}/${each.key}"
  description = each.value.about
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}
