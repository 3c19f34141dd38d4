mock_provider "google" {
  mock_resource "google_compute_address" {
    defaults = {
      address = "198.51.100.7"
    }
  }
}

variables {
  project       = "a-project"
  region        = "europe-west4"
  network       = "projects/a-project/global/networks/studio"
  subnet        = { id = "projects/a-project/regions/europe-west4/subnetworks/studio-rabbitmq", range = "10.20.17.0/28" }
  bridge_ranges = ["10.20.16.0/24"]
  clusters      = [{ name = "speech", prefixes = ["rmq_speech", "rmq_a.b"], range = "10.30.16.0/24" }]
  tenants = [
    { name = "everyone", prefix = "rmq_" },
    { name = "vision", prefix = "rmq_vision" },
    { name = "short", prefix = "rmq_a" },
    { name = "dotted", prefix = "rmq_a.b" },
  ]
}

run "the_machine_is_as_the_guide_describes_it_and_shielded" {
  assert {
    condition     = google_compute_instance.this.machine_type == "n1-standard-2" && google_compute_disk.data.size == 20 && google_compute_instance.this.boot_disk[0].initialize_params[0].size == 20
    error_message = "Not an n1-standard-2 with 20 GB."
  }
  assert {
    condition     = strcontains(google_compute_instance.this.boot_disk[0].initialize_params[0].image, "debian-cloud")
    error_message = "Not Debian."
  }
  assert {
    condition     = alltrue([for s in google_compute_instance.this.shielded_instance_config : s.enable_secure_boot && s.enable_vtpm && s.enable_integrity_monitoring])
    error_message = "Not a shielded machine."
  }
  assert {
    condition     = google_compute_instance.this.metadata["enable-oslogin"] == "TRUE" && google_compute_instance.this.metadata["block-project-ssh-keys"] == "TRUE" && google_compute_instance.this.metadata["serial-port-enable"] == "FALSE"
    error_message = "SSH keys of the project, or the serial port, let people in."
  }
  assert {
    condition     = google_compute_address.internal.address_type == "INTERNAL" && google_compute_instance.this.network_interface[0].network_ip == google_compute_address.internal.address
    error_message = "The internal address may change."
  }
}

run "the_zone_is_one_that_every_region_has" {
  assert {
    condition     = google_compute_instance.this.zone == "europe-west4-b" && google_compute_disk.data.zone == "europe-west4-b" && output.instance.zone == "europe-west4-b"
    error_message = "europe-west1 and us-east1 have no zone a."
  }
}

run "its_data_outlives_it" {
  assert {
    condition     = google_compute_instance.this.attached_disk[0].source == google_compute_disk.data.id && google_compute_instance.this.attached_disk[0].device_name == "data"
    error_message = "The data disk is not attached where the script looks for it."
  }
  assert {
    condition     = google_compute_disk_resource_policy_attachment.snapshots.disk == google_compute_disk.data.name && google_compute_resource_policy.snapshots.snapshot_schedule_policy[0].retention_policy[0].on_source_disk_delete == "KEEP_AUTO_SNAPSHOTS"
    error_message = "No snapshots, or they go with the disk."
  }
  assert {
    condition     = google_compute_disk.data.create_snapshot_before_destroy && google_compute_instance.this.deletion_protection
    error_message = "Nothing is left of a disk that is destroyed."
  }
}

run "without_being_asked_nothing_is_open" {
  assert {
    condition     = length(google_compute_instance.this.network_interface[0].access_config) == 0 && length(google_compute_address.external) == 0 && length(google_compute_firewall.clients) == 0 && length(google_compute_firewall.internal) == 0
    error_message = "An external address that nobody asked for."
  }
  assert {
    condition     = google_compute_instance.this.metadata["studio-plain"] == "false"
    error_message = "RabbitMQ without TLS beyond loopback."
  }
  assert {
    condition     = google_compute_firewall.iap.source_ranges == toset(["35.235.240.0/20"]) && alltrue([for a in google_compute_firewall.iap.allow : a.ports == tolist(["22"])])
    error_message = "SSH from elsewhere than Identity-Aware Proxy."
  }
  assert {
    condition     = google_compute_firewall.bridge.source_ranges == toset(["10.20.16.0/24", "10.30.16.0/24"]) && alltrue([for a in google_compute_firewall.bridge.allow : a.ports == tolist(["5671", "15671"])])
    error_message = "The bridge's rule lets others in, or without TLS."
  }
}

# vm/testdata/users.json is what vm/vm_integration_test.go gives to the real RabbitMQ.
run "users_are_those_that_are_tested_on_a_real_broker" {
  assert {
    condition     = jsondecode(google_compute_instance.this.metadata["studio-users"]) == jsondecode(file("vm/testdata/users.json"))
    error_message = "Users differ from vm/testdata/users.json: ${google_compute_instance.this.metadata["studio-users"]}"
  }
  assert {
    condition     = google_compute_instance.this.metadata["startup-script"] == file("vm/setup.sh") && google_compute_instance.this.metadata["studio-sync"] == file("vm/sync.py")
    error_message = "Other scripts than those that are tested."
  }
}

run "secrets_hold_no_password_of_terraform" {
  assert {
    condition     = alltrue([for v in google_secret_manager_secret_version.first : v.secret_data == "not yet written by RabbitMQ's machine"])
    error_message = "Terraform writes a password, and its state knows it."
  }
  assert {
    condition     = toset(keys(output.secrets)) == toset(["bridge", "bridge-speech", "owner", "everyone", "vision", "short", "dotted", "ca"])
    error_message = "A user without a secret."
  }
  assert {
    condition = alltrue([for m in google_secret_manager_secret_iam_member.machine :
      m.member == google_service_account.this.member && contains(["roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionAdder"], m.role)
    ])
    error_message = "The machine may do more with secrets than read and add."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "clients_inside_reach_it_where_asked" {
  variables {
    internal_ranges = ["10.40.0.0/16", "10.50.0.0/20"]
  }
  assert {
    condition     = google_compute_firewall.internal["this"].source_ranges == toset(["10.40.0.0/16", "10.50.0.0/20"]) && alltrue([for a in google_compute_firewall.internal["this"].allow : a.ports == tolist(["5671"])])
    error_message = "Clients of this network or a joined one do not reach AMQP with TLS, or more than they asked for."
  }
  assert {
    condition     = google_compute_firewall.internal["this"].target_service_accounts == toset([google_service_account.this.email]) && length(google_compute_address.external) == 0
    error_message = "The rule opens other machines, or there is an external address that nobody asked for."
  }
}

run "clients_inside_reach_the_management_api_where_asked" {
  command = plan
  variables {
    internal_ranges = ["10.40.0.0/16"]
    internal_ports  = ["management-tls", "amqps"]
  }
  assert {
    condition     = alltrue([for a in google_compute_firewall.internal["this"].allow : a.ports == tolist(["15671", "5671"])])
    error_message = "The management API is not open to who asked for it."
  }
}

run "the_whole_internet_is_not_inside" {
  command = plan
  variables {
    internal_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.internal_ranges]
}

run "nobody_inside_goes_without_tls" {
  command = plan
  variables {
    internal_ranges = ["10.40.0.0/16"]
    internal_ports  = ["amqp"]
  }
  expect_failures = [var.internal_ports]
}

run "a_disk_in_another_zone_would_be_an_empty_one" {
  command = plan
  variables {
    zone = "europe-west4-c"
  }
  expect_failures = [google_compute_disk.data]
}

run "a_zone_of_another_region_is_refused" {
  command = plan
  variables {
    zone = "europe-west1-b"
  }
  expect_failures = [google_compute_address.internal, google_compute_disk.data]
}

run "outside_reaches_what_was_asked_for" {
  variables {
    external = { source_ranges = ["203.0.113.0/24"], ports = ["amqps", "management-tls"], dns_name = "rabbit.example.org" }
  }
  assert {
    condition     = google_compute_firewall.clients["this"].source_ranges == toset(["203.0.113.0/24"]) && alltrue([for a in google_compute_firewall.clients["this"].allow : a.ports == tolist(["15671", "5671"])])
    error_message = "Other ranges or ports than asked for."
  }
  assert {
    condition     = strcontains(google_compute_instance.this.metadata["studio-names"], "DNS:rabbit.example.org") && strcontains(google_compute_instance.this.metadata["studio-names"], "IP:10.20.17.2")
    error_message = "The certificate lacks a name: ${google_compute_instance.this.metadata["studio-names"]}"
  }
  assert {
    condition     = alltrue([for u in jsondecode(google_compute_instance.this.metadata["studio-users"]).users : startswith(u.name, "bridge") ? startswith(u.address, "10.20.17.2:") : startswith(u.address, "rabbit.example.org:")])
    error_message = "Clients are given an address that they cannot reach, or the bridge goes out and in again."
  }
  assert {
    condition     = google_compute_instance.this.metadata["studio-plain"] == "false"
    error_message = "RabbitMQ without TLS, though nobody asked."
  }
}

run "without_tls_only_where_it_is_asked_for" {
  command = plan
  variables {
    external = { source_ranges = ["203.0.113.0/24"], ports = ["amqp"] }
  }
  assert {
    condition     = google_compute_instance.this.metadata["studio-plain"] == "true"
    error_message = "The port is open and nobody listens."
  }
}

run "the_whole_internet_gets_no_management_api" {
  command = plan
  variables {
    external = { source_ranges = ["0.0.0.0/0"], ports = ["amqps", "management-tls"] }
  }
  expect_failures = [var.external]
}

run "an_unknown_port_is_refused" {
  command = plan
  variables {
    external = { source_ranges = ["203.0.113.0/24"], ports = ["ssh"] }
  }
  expect_failures = [var.external]
}

run "a_tenant_called_bridge_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "bridge", prefix = "rmq_x" }]
  }
  expect_failures = [var.tenants]
}

run "a_tenant_called_like_another_bridge_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "bridge-x", prefix = "rmq_x" }]
  }
  expect_failures = [var.tenants]
}

run "a_cluster_that_takes_all_queues_is_refused" {
  command = plan
  variables {
    clusters = [{ name = "speech", prefixes = ["rmq_"], range = "10.30.16.0/24" }]
  }
  expect_failures = [var.clusters]
}

run "a_cluster_that_may_come_from_anywhere_is_refused" {
  command = plan
  variables {
    clusters = [{ name = "speech", prefixes = ["rmq_speech"], range = "0.0.0.0/0" }]
  }
  expect_failures = [var.clusters]
}

run "a_prefix_that_the_bridge_never_reads_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "vision", prefix = "vision_" }]
  }
  expect_failures = [var.tenants]
}

run "a_prefix_that_is_a_pattern_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "vision", prefix = "rmq_.*" }]
  }
  expect_failures = [var.tenants]
}

run "a_subnet_without_an_address_left_is_refused" {
  command = plan
  variables {
    subnet = { id = "projects/a-project/regions/europe-west4/subnetworks/studio-rabbitmq", range = "10.20.17.0/30" }
  }
  expect_failures = [google_compute_instance.this]
}
