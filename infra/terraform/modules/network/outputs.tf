output "network" {
  description = "The network: id for most resources, name for Cloud Run."
  value = {
    id   = google_compute_network.this.id
    name = google_compute_network.this.name
  }
}

output "subnets" {
  description = "Subnets by purpose (nodes, functions, rabbitmq): id, name and range."
  value = merge(
    { for purpose, s in google_compute_subnetwork.one_purpose : purpose => { id = s.id, name = s.name, range = s.ip_cidr_range } },
    { nodes = { id = google_compute_subnetwork.nodes.id, name = google_compute_subnetwork.nodes.name, range = google_compute_subnetwork.nodes.ip_cidr_range } },
  )
  # What starts in a subnet has a way out from its first minute: RabbitMQ's machine installs its packages then.
  depends_on = [google_compute_router_nat.this]
}

output "secondary_ranges" {
  description = "Of the nodes' subnet, for the cluster: name and range of pods and services."
  value = {
    pods     = { name = "pods", range = var.ranges.pods }
    services = { name = "services", range = var.ranges.services }
  }
}
