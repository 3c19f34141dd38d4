# KEDA, by its own chart: https://github.com/kedacore/charts/blob/main/keda/README.md has the values.

resource "helm_release" "keda" {
  name             = "keda"
  namespace        = "keda"
  create_namespace = true
  repository       = "https://kedacore.github.io/charts"
  chart            = "keda"
  version          = var.keda_version
  atomic           = true
  timeout          = 900 # a cluster's first node may still be coming
  max_history      = 5

  values = [yamlencode({
    nodeSelector   = var.node_selector
    serviceAccount = { operator = { annotations = { "iam.gke.io/gcp-service-account" = var.service_accounts.keda } } }

    # Cloud Monitoring may take longer than the three seconds of the chart.
    http = { timeout = 10000 }

    # GKE lets the control plane of every kind of cluster to port 10250 of nodes and pods, and to few others
    # (https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules), so that no rule of ours is needed. In a cluster
    # of today its calls come through konnectivity's pods anyway, whatever the port.
    service  = { portHttpsTarget = 10250 }
    webhooks = { port = 10250 }

    # Scalers here ask with KEDA's own account and scale deployments: it reads no secret but its certificate, and no other kind.
    permissions = { operator = { restrict = { secret = true } }, metricServer = { restrict = { secret = true } } }
    rbac        = { enabledCustomScaledRefKinds = false }

    # What KEDA holds by finalizers, only KEDA can let go. So its kinds, and with them the scalers that Cloud Build made, outlive
    # the release: destroying it waits for nobody, and one made anew finds them.
    crds = { additionalAnnotations = local.keep }
  })]
}
