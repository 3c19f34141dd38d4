# The node pools: management, on which the cluster's own programs run, and one for each pool of kind gke.

locals {
  pools = { for p in var.pools : p.name => p if p.kind == "gke" }

  unit = { "" = 0, k = 1, m = 2, g = 3, t = 4 }

  # What a pool says, as numbers.
  wants = {
    for name, p in local.pools : name => {
      for what, text in { ram = p.ram, hdd = p.hdd, gpu_mem = coalesce(p.gpu_mem, "0") } : what =>
      tonumber(regex("^([0-9.]+)", text)[0]) *
      pow(strcontains(lower(text), "i") ? 1024 : 1000, local.unit[lower(regex("^[0-9.]+ *([kmgtKMGT]?)", text)[0])])
    }
  }

  # A type in its parts: n1-standard-4, or the CPUs and MiB of a custom one (custom-8-16384 is an n1, n2-custom-8-16384 an n2).
  types = {
    for name, p in local.pools : name => {
      family = split("-", p.machine.type)[0] == "custom" ? "n1" : split("-", p.machine.type)[0]
      custom = try([for n in regex("^(?:[a-z0-9]+-)?custom-([0-9]+)-([0-9]+)(?:-ext)?$", p.machine.type) : tonumber(n)], null)
      built  = lookup(local.built_in, p.machine.type, null)
    }
  }

  # What its nodes are; cpus, gib and may_ssds are null for a type that the tables do not have, which is then not judged.
  shapes = {
    for name, p in local.pools : name => {
      family = local.types[name].family
      card   = p.gpus == 0 ? null : try(local.types[name].built.card, p.machine.accelerator)
      cards  = try(local.types[name].built.count, p.gpus)
      cpus   = try(local.types[name].built.cpus, local.types[name].custom[0], tonumber(regex("-([0-9]+)$", p.machine.type)[0]), null)
      gib = try(local.types[name].built.gib, local.types[name].custom[1] / 1024,
      local.gib_per_cpu[regex("^([a-z0-9]+-[a-z]+)-", p.machine.type)[0]] * tonumber(regex("-([0-9]+)$", p.machine.type)[0]), null)
    }
  }
  nodes = {
    for name, n in local.shapes : name => merge(n, {
      # An n1 with T4 has 16 at most.
      may_ssds = try(local.types[name].built.ssds, [
        for count in [for row in local.ssds_by_cpus[n.family] : row.counts if n.cpus <= row.most][0] : count
        if !(count > 16 && n.card == "nvidia-tesla-t4")
      ], null)
    })
  }

  # As many local SSDs as asked for, or the least that the type may have.
  ssds = { for name, p in local.pools : name => try(coalesce(p.machine.local_ssds, try(min(local.nodes[name].may_ssds...), 0)), 0) }

  zones = {
    for name, p in local.pools : name => try(coalescelist(
      coalesce(p.machine.zones, []),
      local.nodes[name].card == null ? [] : [for z in lookup(local.gpu_zones, local.nodes[name].card, []) : z if startswith(z, "${var.region}-")],
    ), [])
  }

  # What GKE leaves of a node for pods, https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes, less what its
  # own pods on every node take (0.4 CPUs and 0.5 GiB, more than was ever seen), the executor's (0.25 and 256 MiB) included.
  free = {
    for name, n in local.nodes : name => n.cpus == null || n.gib == null ? null : {
      cpus = n.cpus - (0.06 + 0.01 * min(max(n.cpus - 1, 0), 1) + 0.005 * min(max(n.cpus - 2, 0), 2) + 0.0025 * max(n.cpus - 4, 0)) - 0.65
      bytes = (n.gib - (0.25 * min(n.gib, 4) + 0.2 * min(max(n.gib - 4, 0), 4) + 0.1 * min(max(n.gib - 8, 0), 8)
      + 0.06 * min(max(n.gib - 16, 0), 112) + 0.02 * max(n.gib - 128, 0)) - 0.1 - 0.75) * pow(1024, 3)
    }
  }

  # What GKE leaves of a node's disk for pods, by the same page: less what the system has (50, 75 or 100 GiB with one, two or more
  # local SSDs; of a boot disk the least of half, 6 GiB and 35 %, and 100 GiB) and a tenth, at which it evicts pods; file system and
  # image take a fiftieth or so of it first. The autoscaler reckons a pool without nodes by the same numbers, from its template
  # (https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/gce/templates.go). The executor keeps a
  # fifth of the disk free (DISK_RESERVE) beside the images, and caches 50 GiB beside what experiments may have.
  disk = {
    for name, p in local.pools : name => (min(local.ssds[name] > 0
      ? local.ssds[name] * 375 * 0.98 * 0.9 - min(25 + 25 * local.ssds[name], 100)
      : (p.machine.disk_gb * 0.98 - 4.2) * 0.9 - min(p.machine.disk_gb * 0.5, 6 + p.machine.disk_gb * 0.35, 100),
      (local.ssds[name] > 0 ? local.ssds[name] * 375 : p.machine.disk_gb) * 0.98 * 0.8 - 15
    ) - 50) * pow(1024, 3)
  }

  # Each node has a range of its own with twice as many addresses as it may have pods, rounded up to a power of two.
  # https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr
  pods_per_node = 16
  management = {
    nodes         = 3
    pods_per_node = 64
    labels        = { studio-pool = "management" }
  }
  # One node more of each while a pool is upgraded.
  addresses = (local.management.nodes + 1) * local.management.pods_per_node * 2 + sum(concat([0], [for p in local.pools : (p.machine.max_nodes + 1) * local.pods_per_node * 2]))
  most      = local.management.nodes + 1 + sum(concat([0], [for p in local.pools : p.machine.max_nodes + 1]))
  holds     = pow(2, 32 - tonumber(split("/", var.secondary_ranges.pods.range)[1]))
  # Google keeps four, and the control plane has one.
  places = pow(2, 32 - tonumber(split("/", var.subnet.range)[1])) - 5
}

resource "google_container_node_pool" "management" {
  project           = var.project
  location          = var.region
  cluster           = google_container_cluster.this.id
  name              = "management"
  max_pods_per_node = local.management.pods_per_node

  autoscaling {
    total_min_node_count = 1
    total_max_node_count = local.management.nodes
    location_policy      = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type      = "e2-standard-4"
    disk_size_gb      = 50
    disk_type         = "pd-balanced"
    boot_disk_kms_key = var.kms_key
    image_type        = "COS_CONTAINERD"
    service_account   = google_service_account.nodes.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata          = { disable-legacy-endpoints = "true" } # GKE's own default, which it would show as a change
    labels            = local.management.labels
    resource_labels   = var.labels

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    gcfs_config {
      enabled = true
    }
    kubelet_config {
      cpu_manager_policy                     = "none"
      cpu_cfs_quota                          = true # providers before 7.6 take it for false where it is not said
      insecure_kubelet_readonly_port_enabled = "FALSE"
    }
  }

  lifecycle {
    # The autoscaler's, and what GKE fills in for itself.
    ignore_changes = [initial_node_count, node_config[0].resource_labels["goog-gke-node-pool-provisioning-model"]]
  }
}

resource "google_container_node_pool" "pool" {
  for_each = local.pools

  project           = var.project
  location          = var.region
  cluster           = google_container_cluster.this.id
  name              = each.key
  node_locations    = length(local.zones[each.key]) == 0 ? null : local.zones[each.key]
  max_pods_per_node = local.pods_per_node

  # From zero, and back: a node is there while an executor needs it. With spot machines, wherever there is one.
  autoscaling {
    total_min_node_count = 0
    total_max_node_count = each.value.machine.max_nodes
    location_policy      = "ANY"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  # No node more than there may be cards in the quota.
  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 0
    max_unavailable = 1
  }

  node_config {
    machine_type      = each.value.machine.type
    spot              = each.value.machine.spot
    disk_size_gb      = each.value.machine.disk_gb
    disk_type         = contains(["n4", "c4"], local.nodes[each.key].family) ? "hyperdisk-balanced" : "pd-balanced"
    boot_disk_kms_key = var.kms_key
    image_type        = "COS_CONTAINERD"
    service_account   = google_service_account.nodes.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata          = { disable-legacy-endpoints = "true" } # GKE's own default, which it would show as a change
    labels            = { studio-pool = each.key }
    resource_labels   = merge(var.labels, { studio-pool = each.key })

    # Only executors of the pool come here. GKE taints nodes with cards (nvidia.com/gpu) by itself, and makes pods that ask
    # for cards tolerate it.
    taint {
      key    = "studio-pool"
      value  = each.key
      effect = "NO_SCHEDULE"
    }

    dynamic "guest_accelerator" {
      for_each = each.value.gpus > 0 ? [local.nodes[each.key].card] : []
      content {
        type  = coalesce(guest_accelerator.value, "not-named")
        count = local.nodes[each.key].cards
        gpu_driver_installation_config {
          gpu_driver_version = each.value.machine.driver
        }
      }
    }

    # Caches and working folders (emptyDir) are on local SSD.
    dynamic "ephemeral_storage_local_ssd_config" {
      for_each = local.ssds[each.key] > 0 ? [local.ssds[each.key]] : []
      content {
        local_ssd_count = ephemeral_storage_local_ssd_config.value
      }
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      # GKE's drivers are signed; those of another making would not load.
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    # Image streaming: the executor's image is large, and starts before all of it is there.
    gcfs_config {
      enabled = true
    }
    kubelet_config {
      cpu_manager_policy                     = "none"
      cpu_cfs_quota                          = true # providers before 7.6 take it for false where it is not said
      insecure_kubelet_readonly_port_enabled = "FALSE"
      pod_pids_limit                         = 16384 # data loaders of many experiments
      single_process_oom_kill                = true  # an experiment that takes too much memory ends, and not the whole executor with all others
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count, node_config[0].resource_labels["goog-gke-node-pool-provisioning-model"], node_config[0].resource_labels["goog-gke-accelerator-type"]]

    precondition {
      condition     = each.value.gpus > 0 || local.types[each.key].built == null
      error_message = "Pool ${each.key} has no gpus, but ${each.value.machine.type} has ${try(local.types[each.key].built.count, 0)} built in, which are paid for: say gpus and gpu_mem, or choose a type without cards."
    }
    precondition {
      condition     = each.value.machine.accelerator == null || each.value.gpus > 0
      error_message = "Pool ${each.key} names the card ${coalesce(each.value.machine.accelerator, "-")}, but no gpus: say gpus and gpu_mem, or leave machine.accelerator out."
    }
    precondition {
      condition     = each.value.machine.accelerator == null || local.types[each.key].built == null || each.value.machine.accelerator == try(local.types[each.key].built.card, "")
      error_message = "Pool ${each.key}: ${each.value.machine.type} comes with ${try(local.types[each.key].built.card, "-")}, and no ${coalesce(each.value.machine.accelerator, "-")} can be attached to it: leave machine.accelerator out."
    }
    precondition {
      # Families of cards begin with a or g; those that the table does not have are not judged.
      condition     = each.value.machine.accelerator == null || can(regex("^(n1$|[ag][0-9])", local.nodes[each.key].family))
      error_message = "Pool ${each.key}: no card can be attached to ${each.value.machine.type}. Choose an n1 type for ${coalesce(each.value.machine.accelerator, "-")}, or a g2, a2 or a3 type, which has its own."
    }
    precondition {
      condition     = local.nodes[each.key].family != "n1" || !contains([for t in values(local.built_in) : t.card], coalesce(each.value.machine.accelerator, "-"))
      error_message = "Pool ${each.key}: ${coalesce(each.value.machine.accelerator, "-")} comes only built into a type, and cannot be attached to ${each.value.machine.type}: choose one of ${join(", ", [for name, t in local.built_in : name if t.card == coalesce(each.value.machine.accelerator, "-")])}."
    }
    precondition {
      condition     = local.nodes[each.key].family != "n1" || !contains(keys(local.attached), coalesce(local.nodes[each.key].card, "-")) || contains(keys(lookup(local.attached, coalesce(local.nodes[each.key].card, "-"), {})), tostring(each.value.gpus))
      error_message = "Pool ${each.key}: a machine has ${join(", ", keys(lookup(local.attached, coalesce(local.nodes[each.key].card, "-"), {})))} ${coalesce(local.nodes[each.key].card, "-")}, and not ${each.value.gpus}."
    }
    precondition {
      condition     = local.nodes[each.key].family != "n1" || try(local.nodes[each.key].cpus <= local.attached[local.nodes[each.key].card][tostring(each.value.gpus)], true)
      error_message = "Pool ${each.key}: with ${each.value.gpus} ${coalesce(local.nodes[each.key].card, "-")} a machine has at most ${try(local.attached[local.nodes[each.key].card][tostring(each.value.gpus)], 0)} CPUs, and ${each.value.machine.type} has more: choose a smaller type, or more gpus."
    }
    precondition {
      condition     = coalesce(each.value.machine.local_ssds, 0) == 0 || try(contains(local.nodes[each.key].may_ssds, each.value.machine.local_ssds), true)
      error_message = "Pool ${each.key}: ${each.value.machine.type} may have ${try(length(local.nodes[each.key].may_ssds), 0) == 0 ? "no local SSDs" : "${join(", ", local.nodes[each.key].may_ssds)} local SSDs, or 0"}, and not ${coalesce(each.value.machine.local_ssds, 0)}: leave local_ssds out for the least."
    }
    precondition {
      condition     = each.value.gpus == 0 || local.nodes[each.key].card != null
      error_message = "Pool ${each.key} has gpus, but ${each.value.machine.type} has none built in: name machine.accelerator, for example nvidia-tesla-t4, or choose a g2, a2 or a3 type."
    }
    precondition {
      condition     = each.value.gpus == 0 || local.nodes[each.key].card == null || contains(keys(local.gpu_zones), coalesce(local.nodes[each.key].card, "-"))
      error_message = "Pool ${each.key}: the card ${coalesce(local.nodes[each.key].card, "-")} is not known. Known are ${join(", ", keys(local.gpu_zones))}; add it to gpu_zones with its zones."
    }
    precondition {
      condition = local.nodes[each.key].card == null || (length(local.zones[each.key]) > 0 && alltrue([
        for z in local.zones[each.key] : contains(lookup(local.gpu_zones, coalesce(local.nodes[each.key].card, "-"), [z]), z)
      ]))
      error_message = "Pool ${each.key}: ${coalesce(local.nodes[each.key].card, "-")} is not in ${length(local.zones[each.key]) == 0 ? var.region : join(", ", local.zones[each.key])}. In ${var.region} it is in: ${join(", ", concat([for z in lookup(local.gpu_zones, coalesce(local.nodes[each.key].card, "-"), []) : z if startswith(z, "${var.region}-")], ["no zone of the table"]))}. Choose another card, zone or region, or set gpu_zones if Google has it there by now."
    }
    precondition {
      condition     = alltrue([for z in local.zones[each.key] : startswith(z, "${var.region}-")])
      error_message = "Pool ${each.key}: its zones must be of ${var.region}, where the cluster is."
    }
    precondition {
      condition     = each.value.gpus == 0 || each.value.gpus == local.nodes[each.key].cards
      error_message = "Pool ${each.key} has ${each.value.gpus} gpus, but ${each.value.machine.type} has ${local.nodes[each.key].cards}: one executor gets the whole machine."
    }
    precondition {
      condition     = local.nodes[each.key].card == null || local.wants[each.key].gpu_mem <= lookup(local.gpu_gb, coalesce(local.nodes[each.key].card, "-"), 1000) * 1.08 * pow(1000, 3)
      error_message = "Pool ${each.key}: gpu_mem ${coalesce(each.value.gpu_mem, "0")} is more than a ${coalesce(local.nodes[each.key].card, "-")} has (${lookup(local.gpu_gb, coalesce(local.nodes[each.key].card, "-"), 0)}gb)."
    }
    precondition {
      condition     = local.free[each.key] == null || try(each.value.cpus <= local.free[each.key].cpus, true)
      error_message = "Pool ${each.key}: ${each.value.cpus} cpus do not fit on ${each.value.machine.type}, which has ${format("%.2f", try(local.free[each.key].cpus, 0))} left for experiments: its executor would wait for ever. Ask for fewer, or choose a larger type."
    }
    precondition {
      condition     = local.free[each.key] == null || try(local.wants[each.key].ram <= local.free[each.key].bytes, true)
      error_message = "Pool ${each.key}: ram ${each.value.ram} does not fit on ${each.value.machine.type}, which has ${format("%.1f", try(local.free[each.key].bytes, 0) / pow(1000, 3))}gb left for experiments: its executor would wait for ever. Ask for less, or choose a larger type."
    }
    precondition {
      condition     = local.wants[each.key].hdd <= local.disk[each.key]
      error_message = "Pool ${each.key}: hdd ${each.value.hdd} and the cache do not fit on its nodes' disk, which has ${format("%.0f", max(0, local.disk[each.key] / pow(1000, 3)))}gb left for experiments: its executor would wait for ever. Give it more local_ssds or disk_gb."
    }
    precondition {
      condition     = local.addresses <= local.holds
      error_message = "The pod range ${var.secondary_ranges.pods.range} has ${local.holds} addresses, and ${local.addresses} are needed for the most nodes of all pools (${local.pods_per_node * 2} a node, and one node more of each pool while it is upgraded). Nodes beyond it would never start: lower max_nodes or choose a larger range before the cluster is made."
    }
    precondition {
      condition     = local.most <= local.places
      error_message = "The nodes' range ${var.subnet.range} has ${local.places} addresses, and all pools together may have ${local.most} nodes: lower max_nodes or choose a larger range."
    }
  }
}
