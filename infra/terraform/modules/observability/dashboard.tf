# One page: where requests are on their way, whether cards idle, what runs and so costs. No member of the JSON stands at its
# default: Google's answer leaves such members out, and every apply would see a difference.

locals {
  executors = "resource.type=one_of(\"k8s_container\",\"cloud_run_job\")"

  # A pool's containers and its machines. Pods are named executor-POOL-HASH-ID; machines have the pool as a label.
  containers = { for pool, n in var.node_pools : pool =>
    "resource.type=\"k8s_container\" AND resource.labels.cluster_name=\"${var.cluster}\" AND resource.labels.pod_name=monitoring.regex.full_match(\"executor-${pool}-[a-z0-9]+-[a-z0-9]+\")"
  }
  machines = { for pool, n in var.node_pools : pool => "resource.type=\"gce_instance\" AND metadata.user_labels.\"studio-pool\"=\"${pool}\"" }
  cards    = { for pool, n in var.node_pools : pool => n if n.gpus > 0 }

  # filter, align and reduce, or promql: Google counts what is published by the number of its sizes, which no aligner gives.
  # https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub (topic/message_sizes), https://cloud.google.com/monitoring/promql/promql-mapping
  charts = [for chart in [
    { title = "Queue to result: requests and experiments an hour", period = "3600s", series = concat(
      [{ name = "relayed to Pub/Sub", promql = "sum(increase(pubsub_googleapis_com:topic_message_sizes_count{monitored_resource=\"pubsub_topic\",topic_id=~\"${join("|", values(var.requests))}\"}[1h]))" }],
      [{ name = "refused by the bridge", filter = "${local.log.refused} AND resource.type=\"${local.relay_type}\"", align = "ALIGN_DELTA", reduce = "REDUCE_SUM" }],
      [for key in ["claimed", "saved", "lost"] : { name = key, filter = "${local.log[key]} AND ${local.executors}", align = "ALIGN_DELTA", reduce = "REDUCE_SUM" }],
      [{ name = "recorded", filter = "${local.log.recorded} AND resource.type=\"cloud_run_revision\"", align = "ALIGN_DELTA", reduce = "REDUCE_SUM" }],
    ) },
    { title = "Requests that wait or run, by pool", period = "300s", series = [for pool, s in var.requests : {
      name = pool, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"", align = "ALIGN_MEAN", reduce = "REDUCE_SUM"
    }] },
    { title = "Oldest request that waits or runs, seconds", period = "300s", series = [for pool, s in var.requests : {
      name = pool, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\"", align = "ALIGN_MAX", reduce = "REDUCE_MAX"
    }] },
    { title = "Dead letters and reports that wait", period = "300s", series = [for s in [var.dead_letters_subscription, var.reports_subscription] : {
      name = s, filter = "${local.subscription}\"${s}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"", align = "ALIGN_MEAN", reduce = "REDUCE_SUM"
    }] },
    { title = "GPUs: share of time that they compute, in percent (low is idle)", period = "300s", series = [for pool, n in local.cards : {
      name = pool, filter = "${local.containers[pool]} AND metric.type=\"kubernetes.io/container/accelerator/duty_cycle\"", align = "ALIGN_MEAN", reduce = "REDUCE_MEAN"
    }] },
    { title = "GPUs that executors hold, by pool", period = "300s", series = [for pool, n in local.cards : {
      name = pool, filter = "${local.containers[pool]} AND metric.type=\"kubernetes.io/container/accelerator/request\"", align = "ALIGN_MEAN", reduce = "REDUCE_SUM"
    }] },
    { title = "Cost: what is paid for while it is here, by pool", period = "300s", series = concat(
      [for pool, n in var.node_pools : {
        name = "${pool}: ${n.spot ? "spot nodes" : "nodes"}${n.gpus > 0 ? " with ${n.gpus} x ${coalesce(n.gpu_type, "GPU")}" : ""}", filter = "${local.machines[pool]} AND metric.type=\"compute.googleapis.com/instance/cpu/reserved_cores\"", align = "ALIGN_MEAN", reduce = "REDUCE_COUNT"
      }],
      [for pool, job in var.jobs : {
        name = "${pool}: tasks of its job", filter = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"${job}\" AND metric.type=\"run.googleapis.com/job/running_executions\"", align = "ALIGN_MEAN", reduce = "REDUCE_SUM"
      }],
      [{
        name = "instances of functions", filter = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=starts_with(\"${var.name}-\") AND metric.type=\"run.googleapis.com/container/billable_instance_time\"", align = "ALIGN_RATE", reduce = "REDUCE_SUM"
      }],
    ) },
  ] : chart if length(chart.series) > 0] # Google takes no chart without a series
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
            plotType       = "LINE"
            legendTemplate = s.name
            targetAxis     = "Y1"
            timeSeriesQuery = { for kind, query in {
              prometheusQuery  = try(s.promql, null)
              timeSeriesFilter = try({ filter = s.filter, aggregation = { alignmentPeriod = chart.period, perSeriesAligner = s.align, crossSeriesReducer = s.reduce } }, null)
            } : kind => query if query != null }
          }]
        }
      }]
    }
  })
}
