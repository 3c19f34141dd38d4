# What the executors of all pools share: manifests of infra/kubernetes/cluster, and what is this deployment's own. They lie in
# KEDA's namespace as a release, since a release that holds its own namespace could not be made.

locals {
  keep = { "helm.sh/resource-policy" = "keep" }

  # Read by kustomize, too: for those who have no Terraform (infra/kubernetes/plain).
  folder = "${path.module}/../../../kubernetes/cluster"
  files  = yamldecode(file("${local.folder}/kustomization.yaml")).resources
  shared = [for text in flatten([for name in local.files : split("\n---\n", file("${local.folder}/${name}"))]) : yamldecode(text)]

  # The namespace has the request keys and the running experiments, and KEDA holds what is its own by a finalizer: neither goes
  # with the release.
  annotations = {
    Namespace             = local.keep
    TriggerAuthentication = local.keep
    ServiceAccount        = { "iam.gke.io/gcp-service-account" = var.service_accounts.executor }
  }

  manifests = concat(
    [for m in local.shared : merge(m, { metadata = merge({ annotations = try(local.annotations[m.kind], {}) }, m.metadata) })],
    local.settings, local.network, local.build,
  )

  settings = [
    {
      apiVersion = "v1"
      kind       = "ConfigMap"
      metadata   = { name = "studioml-env", namespace = "studio" }
      data = {
        GOOGLE_CLOUD_PROJECT = var.project
        POOLS                = var.pools_json
        CLEAR_TEXT_MESSAGES  = tostring(var.clear_text_messages)
        LOG_LEVEL            = "INFO"
        EVENTS_TOPIC         = var.topics.events
        DEAD_LETTER_TOPIC    = var.topics.dead_letters
        REPORTS_TOPIC        = var.topics.reports
      }
    },
    {
      apiVersion = "v1"
      kind       = "ConfigMap"
      metadata   = { name = "studioml-tenants", namespace = "studio" }
      data       = { "tenants.json" = var.tenants_json }
    },
  ]

  # Executors tell the control plane their deletion cost. It has an address of the nodes' subnet, which is not known before it is
  # made; nodes themselves listen to nothing at 443.
  network = [{
    apiVersion = "networking.k8s.io/v1"
    kind       = "NetworkPolicy"
    metadata   = { name = "executor-control-plane", namespace = "studio" }
    spec = {
      podSelector = { matchLabels = { "app.kubernetes.io/name" = "executor" } }
      policyTypes = ["Egress"]
      egress      = [{ to = [{ ipBlock = { cidr = var.nodes_range } }], ports = [{ protocol = "TCP", port = 443 }] }]
    }
  }]
}

resource "helm_release" "studio" {
  name        = "studio"
  namespace   = helm_release.keda.namespace
  chart       = "${path.module}/chart"
  atomic      = true
  timeout     = 300
  max_history = 5
  values      = [yamlencode({ manifests = local.manifests })]

  # KEDA's kinds must be known before, and KEDA must be there as long as objects of them.
  depends_on = [helm_release.keda]
}
