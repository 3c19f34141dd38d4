mock_provider "google" {}

variables {
  project = "a-project"
  region  = "europe-west4"
}

run "only_what_is_asked_for_comes_in" {
  assert {
    condition     = google_compute_firewall.deny.direction == "INGRESS" && google_compute_firewall.deny.priority == 65534
    error_message = "A rule just above the implied one denies what comes in."
  }
  assert {
    condition     = length(google_compute_firewall.deny.allow) == 0
    error_message = "The denying rule allows something."
  }
  assert {
    condition     = !google_compute_network.this.auto_create_subnetworks
    error_message = "Subnets in regions that nobody asked for."
  }
}

run "subnets_reach_google_without_external_addresses" {
  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access && alltrue([for s in google_compute_subnetwork.one_purpose : s.private_ip_google_access])
    error_message = "A subnet has no private access to Google's services."
  }
  assert {
    condition     = google_compute_router_nat.this.source_subnetwork_ip_ranges_to_nat == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    error_message = "NAT leaves out a range: its machines could fetch no package."
  }
  assert {
    condition     = toset([for r in google_compute_subnetwork.nodes.secondary_ip_range : r.range_name]) == toset(["pods", "services"])
    error_message = "The cluster's ranges are not both on the nodes' subnet."
  }
  assert {
    condition     = output.subnets["functions"].range == "10.20.16.0/24" && output.secondary_ranges.pods.range == "10.24.0.0/16"
    error_message = "Outputs name other ranges than the subnets have."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "other_networks_are_joined_where_asked" {
  variables {
    peers = { vision = "projects/vision-project/global/networks/studio" }
  }
  assert {
    condition     = google_compute_network_peering.this["vision"].peer_network == "projects/vision-project/global/networks/studio" && google_compute_network_peering.this["vision"].network == google_compute_network.this.self_link
    error_message = "Another network, or this one is not its own side."
  }
}

run "a_peer_that_is_no_network_is_refused" {
  command = plan
  variables {
    peers = { vision = "vision-project" }
  }
  expect_failures = [var.peers]
}

run "overlapping_ranges_are_named" {
  command = plan
  variables {
    ranges = { nodes = "10.24.128.0/20" }
  }
  expect_failures = [google_compute_network.this]
}

run "a_range_that_ends_where_another_begins_does_not_overlap" {
  command = plan
  variables {
    ranges = { nodes = "10.23.240.0/20", pods = "10.24.0.0/16", services = "10.25.0.0/20" }
  }
}

run "a_range_without_its_first_address_is_refused" {
  command = plan
  variables {
    ranges = { nodes = "10.20.0.1/20" }
  }
  expect_failures = [var.ranges]
}

run "a_subnet_too_small_for_cloud_run_is_refused" {
  command = plan
  variables {
    ranges = { functions = "10.20.16.0/27" }
  }
  expect_failures = [var.ranges]
}

run "a_zone_is_not_a_region" {
  command = plan
  variables {
    region = "europe-west4-b"
  }
  expect_failures = [var.region]
}

run "a_name_too_long_for_service_accounts_is_refused" {
  command = plan
  variables {
    name = "studio-of-the-whole-company"
  }
  expect_failures = [var.name]
}
