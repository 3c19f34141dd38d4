# Metrics from the programs' own lines, which say what no metric of Google's does. A line is found by its constant message.

locals {
  service = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name="
  # Executors: containers of the cluster, and tasks of jobs.
  executor = "(resource.type=\"k8s_container\" AND resource.labels.namespace_name=\"studio\" OR resource.type=\"cloud_run_job\")"

  counters = {
    relay_runs   = { filter = "${local.service}\"${var.relay_service}\" AND jsonPayload.message=\"relay ended\"", about = "Runs of the relay that came to their end." }
    relay_faults = { filter = "${local.service}\"${var.relay_service}\" AND jsonPayload.message=\"relay failed\"", about = "Runs of the relay that failed." }
    claimed      = { filter = "${local.executor} AND jsonPayload.message=\"experiment claimed\"", about = "Attempts that began." }
    saved        = { filter = "${local.executor} AND jsonPayload.message=\"experiment saved\"", about = "Experiments whose results are saved." }
    recorded     = { filter = "${local.service}\"${var.finalize_service}\" AND jsonPayload.message=\"output recorded\"", about = "Changes of records by outputs." }
    lost         = { filter = "${local.executor} AND jsonPayload.outcome=\"lost\"", about = "Experiments that the infrastructure failed too often." }
    gpu_bad      = { filter = "${local.executor} AND jsonPayload.message=\"GPU went bad and is taken out of use\"", about = "Cards taken out of use." }
  }

  # Numbers that a line holds.
  sums = {
    relayed = { field = "relayed", about = "Requests brought to Pub/Sub." }
    refused = { field = "dead_lettered", about = "Requests that became dead letters at the bridge." }
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

resource "google_logging_metric" "sum" {
  for_each = local.sums

  project         = var.project
  name            = "${var.name}/${each.key}"
  description     = each.value.about
  filter          = "${local.service}\"${var.relay_service}\" AND jsonPayload.message=(\"relay ended\" OR \"relay failed\")"
  value_extractor = "EXTRACT(jsonPayload.${each.value.field})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "1"
  }
}
