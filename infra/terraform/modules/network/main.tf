# The network of one deployment: nothing in it has an external address but RabbitMQ where that is asked for, and what goes out
# goes through Cloud NAT.

locals {
  # Every range as numbers, so that overlaps can be told before Google refuses the second subnet with half of all made.
  bounds = {
    for what, range in var.ranges : what => {
      first = sum([for i, octet in split(".", cidrhost(range, 0)) : tonumber(octet) * pow(256, 3 - i)])
      size  = pow(2, 32 - tonumber(split("/", range)[1]))
    }
  }
  names = keys(local.bounds)

  overlaps = flatten([
    for i, a in local.names : [
      for b in slice(local.names, i + 1, length(local.names)) : "${a} ${var.ranges[a]} and ${b} ${var.ranges[b]}"
      if local.bounds[a].first < local.bounds[b].first + local.bounds[b].size
      && local.bounds[b].first < local.bounds[a].first + local.bounds[a].size
    ]
  ])
}

resource "google_compute_network" "this" {
  project                 = var.project
  name                    = var.name
  description             = "StudioML experiments: cluster, functions and RabbitMQ."
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"

  lifecycle {
    precondition {
      condition     = length(local.overlaps) == 0
      error_message = "ranges overlap: ${join("; ", local.overlaps)}. Give each a range of its own."
    }
  }
}

resource "google_compute_subnetwork" "nodes" {
  project                  = var.project
  region                   = var.region
  name                     = "${var.name}-nodes"
  description              = "Nodes of the cluster; its pods and services are the secondary ranges."
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.ranges.pods
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.ranges.services
  }

  dynamic "log_config" {
    for_each = var.flow_log_sampling > 0 ? [1] : []
    content {
      aggregation_interval = "INTERVAL_5_MIN"
      flow_sampling        = var.flow_log_sampling
      metadata             = "INCLUDE_ALL_METADATA"
    }
  }
}

resource "google_compute_subnetwork" "one_purpose" {
  for_each = {
    functions = "Cloud Run instances that reach RabbitMQ."
    rabbitmq  = "RabbitMQ's virtual machine."
  }

  project                  = var.project
  region                   = var.region
  name                     = "${var.name}-${each.key}"
  description              = each.value
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.ranges[each.key]
  private_ip_google_access = true

  dynamic "log_config" {
    for_each = var.flow_log_sampling > 0 ? [1] : []
    content {
      aggregation_interval = "INTERVAL_5_MIN"
      flow_sampling        = var.flow_log_sampling
      metadata             = "INCLUDE_ALL_METADATA"
    }
  }
}

resource "google_compute_router" "this" {
  project     = var.project
  region      = var.region
  name        = var.name
  description = "For Cloud NAT: package indexes, images and the machine's own updates."
  network     = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project
  region                             = var.region
  name                               = var.name
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
  # Hundreds of downloads at once by one node are ordinary here; 64 ports, the default, are not enough for them.
  enable_dynamic_port_allocation      = true
  enable_endpoint_independent_mapping = false
  min_ports_per_vm                    = 128
  max_ports_per_vm                    = 8192

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# To other deployments' networks, whose bridges reach RabbitMQ here, or whose RabbitMQ this one's reaches. Firewall rules still
# decide what comes in.
resource "google_compute_network_peering" "this" {
  for_each = var.peers

  name         = "${var.name}-${each.key}"
  network      = google_compute_network.this.self_link
  peer_network = each.value
}

# What no other rule lets in is refused, and seen in the logs. GKE makes the rules of its cluster itself, above this one.
resource "google_compute_firewall" "deny" {
  project     = var.project
  name        = "${var.name}-deny-ingress"
  description = "Nothing comes in that no other rule lets in."
  network     = google_compute_network.this.id
  direction   = "INGRESS"
  # One above the implied rule, which does the same without a log.
  priority      = 65534
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "EXCLUDE_ALL_METADATA"
  }
}
