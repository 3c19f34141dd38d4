output "cluster" {
  description = "The cluster: name, location and DNS name of its control plane."
  value = {
    name     = google_container_cluster.this.name
    location = google_container_cluster.this.location
    endpoint = try(google_container_cluster.this.control_plane_endpoints_config[0].dns_endpoint_config[0].endpoint, null)
  }
}

output "management_labels" {
  description = "Labels of the management nodes, once they are there: for the selectors of what the cluster itself needs."
  # What was asked for: GKE may add labels of its own to what it says of them.
  value      = local.management.labels
  depends_on = [google_container_node_pool.management]
}

output "workload_pool" {
  description = "Workload Identity's pool, for grants to Kubernetes' service accounts."
  # Through the cluster: the pool exists with a project's first cluster only.
  value = google_container_cluster.this.workload_identity_config[0].workload_pool
}

output "nodes_service_account" {
  description = "E-mail of the nodes' service account, which pulls images."
  value       = google_service_account.nodes.email
}

output "node_pools" {
  description = "By pool of kind gke: machine type, card (gpu_type, null without) and how many, zones, most nodes, spot."
  value = { for name, p in local.pools : name => {
    type = p.machine.type, gpu_type = local.nodes[name].card, gpus = p.gpus, zones = local.zones[name], max_nodes = p.machine.max_nodes, spot = p.machine.spot
  } }
}
