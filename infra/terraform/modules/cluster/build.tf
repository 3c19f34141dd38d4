# What Cloud Build may do in the cluster: what infra/deploy/roll does, in this namespace, and nothing else.

locals {
  build = [
    {
      apiVersion = "rbac.authorization.k8s.io/v1"
      kind       = "Role"
      metadata   = { name = "build", namespace = "studio" }
      rules = [
        for group, resource in { apps = "deployments", "keda.sh" = "scaledobjects", policy = "poddisruptionbudgets" } :
        { apiGroups = [group], resources = [resource], verbs = ["get", "list", "create", "patch", "delete"] }
      ]
    },
    {
      apiVersion = "rbac.authorization.k8s.io/v1"
      kind       = "RoleBinding"
      metadata   = { name = "build", namespace = "studio" }
      roleRef    = { apiGroup = "rbac.authorization.k8s.io", kind = "Role", name = "build" }
      subjects   = [for name in var.build_users : { apiGroup = "rbac.authorization.k8s.io", kind = "User", name = name }]
    },
  ]
}
