# A channel whose control plane is older than the scalers.
mock_provider "google" {
  mock_resource "google_container_cluster" {
    defaults = { master_version = "1.34.8-gke.1000000" }
  }
}

variables {
  project          = "a-project"
  region           = "europe-west4"
  network          = "projects/a-project/global/networks/studio"
  subnet           = { id = "projects/a-project/regions/europe-west4/subnetworks/studio-nodes", range = "10.20.0.0/20" }
  secondary_ranges = { pods = { name = "pods", range = "10.24.0.0/16" }, services = { name = "services", range = "10.20.32.0/20" } }
  pools            = [{ name = "cpu", kind = "gke", cpus = 3, ram = "10gb", hdd = "50gb" }]
}

run "an_old_control_plane_is_told" {
  expect_failures = [google_container_cluster.this]
}

run "one_that_is_to_be_upgraded_is_not" {
  variables {
    min_master_version = "1.35"
  }
  assert {
    condition     = google_container_cluster.this.min_master_version == "1.35"
    error_message = "The upgrade that the message asks for would be refused by it."
  }
}
