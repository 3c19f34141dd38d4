mock_provider "google" {}

variables {
  project          = "a-project"
  region           = "europe-west4"
  network          = "projects/a-project/global/networks/studio"
  subnet           = { id = "projects/a-project/regions/europe-west4/subnetworks/studio-nodes", range = "10.20.0.0/20" }
  secondary_ranges = { pods = { name = "pods", range = "10.24.0.0/16" }, services = { name = "services", range = "10.20.32.0/20" } }
  pools = [
    { name = "cpu", kind = "gke", cpus = 7, ram = "24gb", hdd = "100gb", machine = { type = "n2-standard-8" } },
    { name = "gpu-t4", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4", max_nodes = 8 } },
    { name = "gpu-l4", kind = "gke", gpus = 2, gpu_mem = "24gb", cpus = 20, ram = "64gb", hdd = "500gb", machine = { type = "g2-standard-24", spot = false, driver = "LATEST" } },
    { name = "quick", kind = "run-job", cpus = 4, ram = "8gb", hdd = "4gb" },
  ]
}

run "the_cluster_is_private_and_knows_workloads" {
  assert {
    condition     = google_container_cluster.this.location == "europe-west4" && google_container_cluster.this.deletion_protection
    error_message = "Not regional, or deleted by a slip."
  }
  assert {
    condition     = alltrue([for c in google_container_cluster.this.private_cluster_config : c.enable_private_nodes && c.enable_private_endpoint])
    error_message = "Nodes or the control plane have external addresses."
  }
  assert {
    condition     = alltrue([for w in google_container_cluster.this.workload_identity_config : w.workload_pool == "a-project.svc.id.goog"]) && google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "No Workload Identity, or network policies are not enforced."
  }
  assert {
    condition     = google_container_cluster.this.release_channel[0].channel == "REGULAR" && !google_container_cluster.this.enable_legacy_abac && google_container_cluster.this.enable_shielded_nodes
    error_message = "No release channel, old permissions, or unshielded nodes."
  }
  assert {
    condition     = google_container_cluster.this.control_plane_endpoints_config[0].ip_endpoints_config[0].enabled == false && google_container_cluster.this.control_plane_endpoints_config[0].dns_endpoint_config[0].allow_external_traffic
    error_message = "The control plane's address is open though no network is authorized, or Cloud Build cannot reach it."
  }
}

# What nodes do as themselves is the project's: see infra/check/terraform/policy.go.
run "images_are_streamed" {
  assert {
    condition     = google_project_iam_member.image_streaming.role == "roles/serviceusage.serviceUsageConsumer" && google_project_iam_member.image_streaming.member == google_service_account.nodes.member
    error_message = "Nodes may not call the API of image streaming, and download every image as a whole."
  }
}

run "the_management_pool_has_one_to_three_nodes" {
  assert {
    condition     = google_container_node_pool.management.node_config[0].machine_type == "e2-standard-4" && google_container_node_pool.management.autoscaling[0].total_min_node_count == 1 && google_container_node_pool.management.autoscaling[0].total_max_node_count == 3
    error_message = "Not e2-standard-4, or not one to three in all zones together."
  }
}

run "every_gke_pool_has_nodes_of_its_own_from_zero" {
  assert {
    condition     = toset(keys(google_container_node_pool.pool)) == toset(["cpu", "gpu-t4", "gpu-l4"])
    error_message = "A pool without nodes, or nodes for a pool of jobs."
  }
  assert {
    condition     = alltrue([for p in google_container_node_pool.pool : p.autoscaling[0].total_min_node_count == 0]) && google_container_node_pool.pool["gpu-t4"].autoscaling[0].total_max_node_count == 8
    error_message = "Nodes without work, or more than asked for."
  }
  assert {
    condition     = alltrue([for name, p in google_container_node_pool.pool : p.node_config[0].labels["studio-pool"] == name && p.node_config[0].taint[0].key == "studio-pool" && p.node_config[0].taint[0].value == name && p.node_config[0].taint[0].effect == "NO_SCHEDULE"])
    error_message = "Others' pods may come to a pool's nodes, or its own do not."
  }
  assert {
    condition     = google_container_node_pool.pool["gpu-t4"].node_config[0].spot && !google_container_node_pool.pool["gpu-l4"].node_config[0].spot
    error_message = "Spot is not as asked."
  }
  assert {
    condition     = alltrue([for p in google_container_node_pool.pool : p.node_config[0].gcfs_config[0].enabled && p.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA" && p.node_config[0].shielded_instance_config[0].enable_secure_boot])
    error_message = "A pool without image streaming, with the nodes' identity for pods, or unshielded."
  }
  assert {
    condition     = alltrue([for p in google_container_node_pool.pool : p.node_config[0].service_account == google_service_account.nodes.email])
    error_message = "Nodes run as the project's default account."
  }
  assert {
    condition     = alltrue([for p in google_container_node_pool.pool : p.node_config[0].kubelet_config[0].single_process_oom_kill])
    error_message = "An experiment that takes too much memory takes its executor and all others with it."
  }
}

run "outputs_say_what_was_asked_for" {
  assert {
    condition     = jsonencode(output.management_labels) == jsonencode({ studio-pool = "management" })
    error_message = "KEDA's selector would follow labels that GKE adds."
  }
  assert {
    condition = jsonencode({ for name, p in output.node_pools : name => [p.gpu_type, p.gpus, p.spot] }) == jsonencode({
      cpu = [null, 0, true], gpu-t4 = ["nvidia-tesla-t4", 1, true], gpu-l4 = ["nvidia-l4", 2, false]
    })
    error_message = "Quotas are looked for that these nodes do not take: ${jsonencode(output.node_pools)}"
  }
}

run "cards_come_with_driver_zones_and_local_ssd" {
  assert {
    condition     = google_container_node_pool.pool["gpu-t4"].node_config[0].guest_accelerator[0].type == "nvidia-tesla-t4" && google_container_node_pool.pool["gpu-t4"].node_config[0].guest_accelerator[0].count == 1
    error_message = "Not the card that was asked for."
  }
  assert {
    condition     = google_container_node_pool.pool["gpu-l4"].node_config[0].guest_accelerator[0].type == "nvidia-l4" && google_container_node_pool.pool["gpu-l4"].node_config[0].guest_accelerator[0].count == 2 && google_container_node_pool.pool["gpu-l4"].node_config[0].guest_accelerator[0].gpu_driver_installation_config[0].gpu_driver_version == "LATEST"
    error_message = "Not the cards that the type has built in, or no driver."
  }
  assert {
    condition     = google_container_node_pool.pool["gpu-t4"].node_locations == toset(["europe-west4-a", "europe-west4-b", "europe-west4-c"])
    error_message = "Not the zones that have the card."
  }
  assert {
    condition     = google_container_node_pool.pool["gpu-l4"].node_config[0].ephemeral_storage_local_ssd_config[0].local_ssd_count == 2 && google_container_node_pool.pool["gpu-t4"].node_config[0].ephemeral_storage_local_ssd_config[0].local_ssd_count == 1
    error_message = "Caches are not on local SSD."
  }
  assert {
    condition     = length(google_container_node_pool.pool["cpu"].node_config[0].guest_accelerator) == 0
    error_message = "A card nobody asked for."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "the_least_local_ssds_of_the_type_are_taken" {
  command = plan
  variables {
    pools = [
      { name = "n1", kind = "gke", cpus = 3, ram = "10gb", hdd = "100gb" },
      { name = "n2-16", kind = "gke", cpus = 14, ram = "40gb", hdd = "100gb", machine = { type = "n2-standard-16" } },
      { name = "n2-32", kind = "gke", cpus = 30, ram = "80gb", hdd = "100gb", machine = { type = "n2-standard-32" } },
      { name = "n2-custom", kind = "gke", cpus = 10, ram = "40gb", hdd = "100gb", machine = { type = "n2-custom-12-49152" } },
      { name = "n2d-48", kind = "gke", cpus = 40, ram = "100gb", hdd = "100gb", machine = { type = "n2d-standard-48" } },
      { name = "c2-60", kind = "gke", cpus = 50, ram = "100gb", hdd = "100gb", machine = { type = "c2-standard-60" } },
      { name = "a2-4", kind = "gke", gpus = 4, gpu_mem = "40gb", cpus = 40, ram = "200gb", hdd = "500gb", machine = { type = "a2-highgpu-4g" } },
      { name = "more", kind = "gke", gpus = 1, gpu_mem = "40gb", cpus = 10, ram = "60gb", hdd = "500gb", machine = { type = "a2-highgpu-1g", local_ssds = 4 } },
    ]
  }
  assert {
    condition = { for name, p in google_container_node_pool.pool : name => p.node_config[0].ephemeral_storage_local_ssd_config[0].local_ssd_count } == {
      n1 = 1, n2-16 = 2, n2-32 = 4, n2-custom = 2, n2d-48 = 2, c2-60 = 8, a2-4 = 4, more = 4
    }
    error_message = "Compute Engine refuses such a node, and the pool never has one: ${jsonencode({ for name, p in google_container_node_pool.pool : name => p.node_config[0].ephemeral_storage_local_ssd_config[*].local_ssd_count })}"
  }
}

run "a_type_without_local_ssds_has_the_boot_disk" {
  command = plan
  variables {
    pools = [
      { name = "e2", kind = "gke", cpus = 3, ram = "10gb", hdd = "40gb", machine = { type = "e2-standard-4" } },
      { name = "none", kind = "gke", cpus = 3, ram = "10gb", hdd = "40gb", machine = { local_ssds = 0 } },
    ]
  }
  assert {
    condition     = alltrue([for p in google_container_node_pool.pool : length(p.node_config[0].ephemeral_storage_local_ssd_config) == 0])
    error_message = "A local SSD that the type cannot have, or that nobody asked for."
  }
}

run "local_ssds_that_the_type_cannot_have_are_refused" {
  command = plan
  variables {
    pools = [
      { name = "n2", kind = "gke", cpus = 14, ram = "40gb", hdd = "100gb", machine = { type = "n2-standard-16", local_ssds = 1 } },
      { name = "e2", kind = "gke", cpus = 3, ram = "10gb", hdd = "40gb", machine = { type = "e2-standard-4", local_ssds = 1 } },
      { name = "l4", kind = "gke", gpus = 1, gpu_mem = "24gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "g2-standard-4", local_ssds = 2 } },
      { name = "t4", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4", local_ssds = 24 } },
    ]
  }
  expect_failures = [google_container_node_pool.pool["n2"], google_container_node_pool.pool["e2"], google_container_node_pool.pool["l4"], google_container_node_pool.pool["t4"]]
}

run "cards_where_none_can_be_attached_are_refused" {
  command = plan
  variables {
    gpu_zones = { nvidia-future = ["europe-west4-a"] }
    pools = [
      { name = "n2", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "n2-standard-8", accelerator = "nvidia-tesla-t4" } },
      { name = "l4-on-n1", kind = "gke", gpus = 1, gpu_mem = "24gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-l4" } },
      { name = "t4-on-g2", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "g2-standard-4", accelerator = "nvidia-tesla-t4" } },
      # A family that is not in the table is not judged.
      { name = "new", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "40gb", machine = { type = "g9-standard-8", accelerator = "nvidia-future" } },
    ]
  }
  expect_failures = [google_container_node_pool.pool["n2"], google_container_node_pool.pool["l4-on-n1"], google_container_node_pool.pool["t4-on-g2"]]
}

run "cards_that_nobody_asks_for_are_refused" {
  command = plan
  variables {
    pools = [
      { name = "built-in", kind = "gke", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "g2-standard-4" } },
      { name = "attached", kind = "gke", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4" } },
    ]
  }
  expect_failures = [google_container_node_pool.pool["built-in"], google_container_node_pool.pool["attached"]]
}

run "as_many_cards_as_no_machine_has_are_refused" {
  command = plan
  variables {
    pools = [
      { name = "three", kind = "gke", gpus = 3, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4" } },
      { name = "eight-t4", kind = "gke", gpus = 8, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4" } },
      { name = "large", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "n1-standard-16", accelerator = "nvidia-tesla-v100" } },
      { name = "eight-v100", kind = "gke", gpus = 8, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "n1-standard-64", accelerator = "nvidia-tesla-v100" } },
    ]
  }
  expect_failures = [google_container_node_pool.pool["three"], google_container_node_pool.pool["eight-t4"], google_container_node_pool.pool["large"]]
}

run "a_version_before_the_scalers_is_refused" {
  command = plan
  variables {
    min_master_version = "1.34"
  }
  expect_failures = [var.min_master_version]
}

run "a_region_without_the_card_is_refused" {
  command = plan
  variables {
    region = "europe-north1"
    pools  = [{ name = "gpu-t4", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4" } }]
  }
  expect_failures = [google_container_node_pool.pool["gpu-t4"]]
}

run "a_zone_without_the_card_is_refused" {
  command = plan
  variables {
    pools = [{ name = "gpu-p4", kind = "gke", gpus = 1, gpu_mem = "8gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-p4", zones = ["europe-west4-a"] } }]
  }
  expect_failures = [google_container_node_pool.pool["gpu-p4"]]
}

run "the_table_of_zones_can_be_overridden" {
  command = plan
  variables {
    gpu_zones = { nvidia-tesla-p4 = ["europe-west4-a"] }
    pools     = [{ name = "gpu-p4", kind = "gke", gpus = 1, gpu_mem = "8gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-p4" } }]
  }
  assert {
    condition     = google_container_node_pool.pool["gpu-p4"].node_locations == toset(["europe-west4-a"])
    error_message = "The override is not used."
  }
}

run "gpus_without_a_card_are_refused" {
  command = plan
  variables {
    pools = [{ name = "gpu", kind = "gke", gpus = 1, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb" }]
  }
  expect_failures = [google_container_node_pool.pool["gpu"]]
}

run "other_gpus_than_the_type_has_are_refused" {
  command = plan
  variables {
    pools = [{ name = "gpu", kind = "gke", gpus = 1, gpu_mem = "24gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "g2-standard-24" } }]
  }
  expect_failures = [google_container_node_pool.pool["gpu"]]
}

run "more_gpu_memory_than_the_card_has_is_refused" {
  command = plan
  variables {
    pools = [{ name = "gpu", kind = "gke", gpus = 1, gpu_mem = "40gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { type = "g2-standard-4" } }]
  }
  expect_failures = [google_container_node_pool.pool["gpu"]]
}

run "cpus_that_the_node_needs_itself_are_refused" {
  command = plan
  variables {
    pools = [{ name = "cpu", kind = "gke", cpus = 4, ram = "10gb", hdd = "100gb" }]
  }
  expect_failures = [google_container_node_pool.pool["cpu"]]
}

run "ram_that_the_node_needs_itself_is_refused" {
  command = plan
  variables {
    pools = [{ name = "cpu", kind = "gke", cpus = 3, ram = "15gb", hdd = "100gb" }]
  }
  expect_failures = [google_container_node_pool.pool["cpu"]]
}

# One local SSD has 403 GB, and a boot disk of 200 GiB 215: what the system and its file system keep is not the pods'.
run "a_disk_too_small_is_refused" {
  command = plan
  variables {
    pools = [
      { name = "ssd", kind = "gke", cpus = 3, ram = "10gb", hdd = "260gb" },
      { name = "boot", kind = "gke", cpus = 3, ram = "10gb", hdd = "60gb", machine = { type = "e2-standard-4" } },
      { name = "fits", kind = "gke", cpus = 3, ram = "10gb", hdd = "240gb" },
    ]
  }
  expect_failures = [google_container_node_pool.pool["ssd"], google_container_node_pool.pool["boot"]]
}

run "a_pod_range_too_small_for_the_most_nodes_is_refused" {
  command = plan
  variables {
    secondary_ranges = { pods = { name = "pods", range = "10.24.0.0/22" }, services = { name = "services", range = "10.20.32.0/20" } }
  }
  expect_failures = [google_container_node_pool.pool["cpu"], google_container_node_pool.pool["gpu-t4"], google_container_node_pool.pool["gpu-l4"]]
}

run "a_nodes_range_too_small_is_refused" {
  command = plan
  variables {
    subnet = { id = "projects/a-project/regions/europe-west4/subnetworks/studio-nodes", range = "10.20.0.0/28" }
  }
  expect_failures = [google_container_node_pool.pool["cpu"], google_container_node_pool.pool["gpu-t4"], google_container_node_pool.pool["gpu-l4"]]
}

run "the_whole_internet_is_no_authorized_network" {
  command = plan
  variables {
    authorized_networks = { all = "0.0.0.0/0" }
  }
  expect_failures = [var.authorized_networks]
}

run "authorized_networks_open_the_address_for_them_only" {
  command = plan
  variables {
    authorized_networks = { office = "203.0.113.0/24" }
  }
  assert {
    condition     = google_container_cluster.this.master_authorized_networks_config[0].gcp_public_cidrs_access_enabled == false && one(google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks).cidr_block == "203.0.113.0/24"
    error_message = "Others reach the control plane, or those do not."
  }
}

run "a_pool_called_management_is_refused" {
  command = plan
  variables {
    pools = [{ name = "management", kind = "gke", cpus = 3, ram = "10gb", hdd = "50gb" }]
  }
  expect_failures = [var.pools]
}
