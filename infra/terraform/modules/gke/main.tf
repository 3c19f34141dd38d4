# The cluster. Nodes have no external addresses; what reaches the control plane does so by IAM.

resource "google_service_account" "nodes" {
  project      = var.project
  account_id   = "${var.name}-nodes"
  display_name = "StudioML nodes"
  description  = "The cluster's nodes: logs, metrics, images. What executors may do is the account executor's."
}

# Nodes write logs and metrics of the project: there is no narrower resource to grant that on.
resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

# Image streaming calls its API in the project's name, as the nodes.
# https://cloud.google.com/kubernetes-engine/docs/how-to/image-streaming
resource "google_project_iam_member" "image_streaming" {
  project = var.project
  role    = "roles/serviceusage.serviceUsageConsumer"
  member  = google_service_account.nodes.member
}

resource "google_container_cluster" "this" {
  project         = var.project
  name            = var.name
  location        = var.region
  description     = "Executors of StudioML experiments."
  resource_labels = var.labels

  deletion_protection      = var.deletion_protection
  remove_default_node_pool = true
  initial_node_count       = 1

  network           = var.network
  subnetwork        = var.subnet.id
  networking_mode   = "VPC_NATIVE"
  datapath_provider = "ADVANCED_DATAPATH" # Dataplane V2, which enforces network policies

  ip_allocation_policy {
    cluster_secondary_range_name  = var.secondary_ranges.pods.name
    services_secondary_range_name = var.secondary_ranges.services.name
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.authorized_networks) == 0
  }

  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true # for who has container.clusters.connect
    }
    ip_endpoints_config {
      enabled = length(var.authorized_networks) > 0
    }
  }

  dynamic "master_authorized_networks_config" {
    for_each = length(var.authorized_networks) > 0 ? [var.authorized_networks] : []
    content {
      gcp_public_cidrs_access_enabled = false
      dynamic "cidr_blocks" {
        for_each = master_authorized_networks_config.value
        content {
          display_name = cidr_blocks.key
          cidr_block   = cidr_blocks.value
        }
      }
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  release_channel {
    channel = var.release_channel
  }
  # GKE's upgrades are no change to it: the provider compares it with what was asked for last, and only ever upgrades.
  min_master_version = var.min_master_version

  maintenance_policy {
    recurring_window {
      start_time = var.maintenance.start
      end_time   = var.maintenance.end
      recurrence = var.maintenance.recurrence
    }
    dynamic "maintenance_exclusion" {
      for_each = var.maintenance.exclusions
      content {
        exclusion_name = maintenance_exclusion.key
        start_time     = maintenance_exclusion.value.start
        end_time       = maintenance_exclusion.value.end
        exclusion_options {
          scope = "NO_MINOR_OR_NODE_UPGRADES"
        }
      }
    }
  }

  # Nodes that are not needed go soon; the pools have autoscalers of their own, and no others are made.
  cluster_autoscaling {
    enabled             = false
    autoscaling_profile = "OPTIMIZE_UTILIZATION"
  }

  # The pool that is deleted at once needs these all the same, lest it runs as the project's default account for a minute.
  node_config {
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }

  enable_shielded_nodes = true
  enable_legacy_abac    = false

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  database_encryption {
    state    = var.kms_key == null ? "DECRYPTED" : "ENCRYPTED" # Google's own key encrypts it either way
    key_name = var.kms_key
  }

  addons_config {
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }

  # DCGM has the cards' utilization, for the dashboard.
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS", "DCGM"]
    managed_prometheus {
      enabled = true
    }
  }

  cost_management_config {
    enabled = true
  }

  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_DISABLED"
  }

  lifecycle {
    # The node pools are resources of their own.
    ignore_changes = [node_config, initial_node_count]

    # An older control plane takes the scalers and drops what it does not know of them, without a word. Where a version was asked
    # for, an upgrade is on its way.
    postcondition {
      condition     = var.min_master_version != null || try(tonumber(split(".", self.master_version)[0]) * 1000 + tonumber(split(".", self.master_version)[1]) >= 1035, true)
      error_message = "The control plane has Kubernetes ${self.master_version}. Before 1.35 it does not know the scalers' tolerance, and does nothing about one executor in ten too many or too few: set min_master_version = \"1.35\" and apply again."
    }
  }

  depends_on = [google_project_iam_member.nodes, google_project_iam_member.image_streaming]
}
