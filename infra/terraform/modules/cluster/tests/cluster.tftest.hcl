mock_provider "helm" {}

variables {
  project          = "a-project"
  pools_json       = "[{\"cpus\":3,\"hdd\":\"50gb\",\"kind\":\"gke\",\"name\":\"cpu\",\"ram\":\"10gb\"}]"
  tenants_json     = "{\"tenants\":[{\"metadata\":\"m\",\"prefix\":\"rmq_{{ .Values }}\",\"store\":\"s\"}]}"
  topics           = { events = "the-events", dead_letters = "the-dead-letters", reports = "the-reports" }
  nodes_range      = "10.60.0.0/20"
  node_selector    = { studio-pool = "management" }
  service_accounts = { executor = "executor@a-project.iam.gserviceaccount.com", keda = "keda@a-project.iam.gserviceaccount.com" }
  build_users      = ["build@a-project.iam.gserviceaccount.com", "1234567890"]
}

run "keda_is_installed_as_googles_account_on_the_management_nodes" {
  assert {
    condition     = helm_release.keda.repository == "https://kedacore.github.io/charts" && helm_release.keda.chart == "keda" && helm_release.keda.version == "2.21.0"
    error_message = "Another KEDA than the one that manifests are checked with."
  }
  assert {
    condition     = yamldecode(helm_release.keda.values[0]).serviceAccount.operator.annotations["iam.gke.io/gcp-service-account"] == "keda@a-project.iam.gserviceaccount.com"
    error_message = "KEDA cannot read metrics."
  }
  assert {
    condition     = yamldecode(helm_release.keda.values[0]).nodeSelector == { studio-pool = "management" }
    error_message = "KEDA would run anywhere."
  }
  assert {
    condition     = toset([yamldecode(helm_release.keda.values[0]).service.portHttpsTarget, yamldecode(helm_release.keda.values[0]).webhooks.port]) == toset([10250])
    error_message = "A control plane outside of the network does not reach KEDA."
  }
  assert {
    condition     = yamldecode(helm_release.keda.values[0]).permissions.operator.restrict.secret && !yamldecode(helm_release.keda.values[0]).rbac.enabledCustomScaledRefKinds
    error_message = "KEDA may read the request keys, or scale anything."
  }
}

run "what_a_finalizer_holds_outlives_its_release" {
  assert {
    condition     = yamldecode(helm_release.keda.values[0]).crds.additionalAnnotations["helm.sh/resource-policy"] == "keep"
    error_message = "Destroying KEDA would wait for scalers that nobody finalizes any more."
  }
  assert {
    condition     = length([for m in yamldecode(helm_release.studio.values[0]).manifests : m if contains(["Namespace", "TriggerAuthentication"], m.kind) && try(m.metadata.annotations, {}) == { "helm.sh/resource-policy" = "keep" }]) == 2
    error_message = "A release made anew would take the namespace, with the request keys and every running experiment."
  }
  assert {
    condition     = helm_release.studio.namespace == "keda" && alltrue([for r in [helm_release.keda, helm_release.studio] : r.atomic && r.timeout >= 300])
    error_message = "A release in a namespace that it makes itself, or one that half an upgrade is left of."
  }
}

run "everything_of_the_folder_is_there_and_lies_in_the_namespace" {
  assert {
    condition     = alltrue([for kind in ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "PriorityClass", "NetworkPolicy", "TriggerAuthentication", "ConfigMap"] : contains(yamldecode(helm_release.studio.values[0]).manifests[*].kind, kind)])
    error_message = "Something of infra/kubernetes/cluster is missing: ${join(", ", yamldecode(helm_release.studio.values[0]).manifests[*].kind)}"
  }
  assert {
    condition = alltrue([for m in yamldecode(helm_release.studio.values[0]).manifests :
    try(m.metadata.namespace, "") == (contains(["Namespace", "PriorityClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"], m.kind) ? "" : "studio")])
    error_message = "An object would be made in the release's namespace."
  }
  assert {
    condition     = one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.metadata.annotations if m.kind == "ServiceAccount"]) == { "iam.gke.io/gcp-service-account" = "executor@a-project.iam.gserviceaccount.com" }
    error_message = "Executors are nobody to Google."
  }
}

run "executors_learn_of_pools_tenants_and_topics" {
  assert {
    condition = one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.data if m.metadata.name == "studioml-env"]) == {
      GOOGLE_CLOUD_PROJECT = "a-project", POOLS = var.pools_json, CLEAR_TEXT_MESSAGES = "false", LOG_LEVEL = "INFO"
      EVENTS_TOPIC         = "the-events", DEAD_LETTER_TOPIC = "the-dead-letters", REPORTS_TOPIC = "the-reports"
    }
    error_message = "studioml-env is not what the variables say."
  }
  assert {
    condition     = one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.data if m.metadata.name == "studioml-tenants"]) == { "tenants.json" = var.tenants_json }
    error_message = "studioml-tenants is not what the variable says."
  }
  assert {
    condition     = one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.spec.egress[0].to[0].ipBlock.cidr if m.metadata.name == "executor-control-plane"]) == "10.60.0.0/20"
    error_message = "Executors are not let to the control plane."
  }
}

run "cloud_build_may_roll_out_and_no_more" {
  assert {
    condition     = one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.subjects[*].name if m.kind == "RoleBinding" && m.metadata.name == "build"]) == ["build@a-project.iam.gserviceaccount.com", "1234567890"]
    error_message = "Cloud Build may nothing, or somebody else may."
  }
  assert {
    condition     = toset(flatten(one([for m in yamldecode(helm_release.studio.values[0]).manifests : m.rules[*].resources if m.kind == "Role" && m.metadata.name == "build"]))) == toset(["deployments", "scaledobjects", "poddisruptionbudgets"])
    error_message = "Cloud Build may other things than a rollout needs."
  }
}

# The checks of manifests (infra/check/manifests) read this run's values.
run "a_second_apply_changes_nothing" {
  command = plan
}

run "a_version_that_moves_is_refused" {
  command = plan
  variables {
    keda_version = "2.x"
  }
  expect_failures = [var.keda_version]
}
