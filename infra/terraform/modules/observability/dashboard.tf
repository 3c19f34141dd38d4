# One page: where requests are on their way, whether cards idle, what runs and so costs. No member of the JSON stands at its
# default: Google's answer leaves such members out, and every apply would see a difference.

locals {
  charts = [
    { title = "Queue to result: requests and experiments an hour", per = "hour", series = concat(
      [for key in ["relayed", "refused"] : { name = key, filter = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.sum[key].name}\" AND resource.type=\"cloud_run_revision\"", align = "ALIGN_DELTA" }],
      [for key in ["claimed", "saved", "lost"] : { name = key, filter = "${local.log[key]} AND resource.type=one_of(\"k8s_container\",\"cloud_run_job\")", align = "ALIGN_DELTA" }],
      [{ name = "recorded", filter = "${local.log.recorded} AND resource.type=\"cloud_run_revision\"", align = "ALIGN_DELTA" }],
    ) },
    { title = "Requests that wait or run, by pool", per = "now", series = [for pool, s in var.requests : {
      name = pool, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"", align = "ALIGN_MEAN"
    }] },
    { title = "Oldest request that waits or runs, seconds", per = "now", series = [for pool, s in var.requests : {
      name = pool, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\"", align = "ALIGN_MAX"
    }] },
    { title = "Dead letters and reports that wait", per = "now", series = [for s in [var.dead_letters_subscription, var.reports_subscription] : {
      name = s, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"", align = "ALIGN_MEAN"
    }] },
    { title = "GPUs: share of time that they compute, in percent (low is idle)", per = "now", series = [{
      name = "cards", filter = "resource.type=\"k8s_container\" AND resource.labels.cluster_name=\"${var.cluster}\" AND metric.type=\"kubernetes.io/container/accelerator/duty_cycle\"", align = "ALIGN_MEAN"
    }] },
    { title = "Cost: CPUs of all nodes that run (each pool's nodes are paid for while they are here)", per = "now", series = [{
      name = "cpus", filter = "resource.type=\"k8s_node\" AND resource.labels.cluster_name=\"${var.cluster}\" AND metric.type=\"kubernetes.io/node/cpu/total_cores\"", align = "ALIGN_MEAN"
    }] },
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project
  dashboard_json = jsonencode({
    displayName = "${var.name}: StudioML experiments"
    labels      = { (var.name) = "" }
    gridLayout = {
      columns = "2"
      widgets = [for chart in local.charts : {
        title = chart.title
        xyChart = {
          dataSets = [for s in chart.series : {
            plotType       = chart.per == "hour" ? "STACKED_BAR" : "LINE"
            legendTemplate = s.name
            targetAxis     = "Y1"
            timeSeriesQuery = {
              timeSeriesFilter = {
                filter = s.filter
                aggregation = {
                  alignmentPeriod    = chart.per == "hour" ? "3600s" : "300s"
                  perSeriesAligner   = s.align
                  crossSeriesReducer = strcontains(s.filter, "duty_cycle") ? "REDUCE_MEAN" : "REDUCE_SUM"
                }
              }
            }
          }]
        }
      }]
    }
  })
}
