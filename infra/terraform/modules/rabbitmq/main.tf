# RabbitMQ on one virtual machine, and the disk that holds everything worth keeping of it.

locals {
  zone    = coalesce(var.zone, "${var.region}-b") # a is not everywhere (europe-west1, us-east1), b is
  address = cidrhost(var.subnet.range, 2)         # 0 and 1 are the network and its gateway

  ports = { amqps = "5671", amqp = "5672", management-tls = "15671", management = "15672" }
  plain = var.external == null ? false : length(setintersection(var.external.ports, ["amqp", "management"])) > 0

  names = concat(
    ["IP:${local.address}"],
    var.external == null ? [] : concat(
      ["IP:${google_compute_address.external["this"].address}"],
      var.external.dns_name == null ? [] : ["DNS:${var.external.dns_name}"],
    ),
  )
}

resource "google_service_account" "this" {
  project      = var.project
  account_id   = "${var.name}-rabbitmq"
  display_name = "StudioML RabbitMQ"
  description  = "RabbitMQ's machine: reads and writes the secrets of its own users."
}

resource "google_secret_manager_secret_iam_member" "machine" {
  for_each = { for pair in setproduct(local.secrets, ["roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionAdder"]) : "${pair[0]} ${pair[1]}" => pair }

  project   = var.project
  secret_id = google_secret_manager_secret.this[each.value[0]].secret_id
  role      = each.value[1]
  member    = google_service_account.this.member
}

# The zone that the data disk was made in. Elsewhere it would be another, empty one, and the first would be deleted.
resource "terraform_data" "zone" {
  input = local.zone

  lifecycle {
    ignore_changes = [input]
  }
}

resource "google_compute_address" "internal" {
  project      = var.project
  region       = var.region
  name         = "${var.name}-rabbitmq"
  description  = "RabbitMQ, for the functions."
  address_type = "INTERNAL"
  subnetwork   = var.subnet.id
  address      = local.address
  labels       = var.labels

  lifecycle {
    precondition {
      condition     = startswith(local.zone, "${var.region}-")
      error_message = "The zone ${local.zone} is not of ${var.region}, where the machine's subnet is: name one of that region, such as ${var.region}-b."
    }
  }
}

resource "google_compute_address" "external" {
  for_each = var.external == null ? {} : { this = var.external }

  project     = var.project
  region      = var.region
  name        = "${var.name}-rabbitmq-external"
  description = "RabbitMQ, for clients outside."
  labels      = var.labels
}

resource "google_compute_disk" "data" {
  project     = var.project
  zone        = local.zone
  name        = "${var.name}-rabbitmq-data"
  description = "RabbitMQ's queues, users and certificate authority."
  type        = "pd-balanced"
  size        = var.disk_gb
  labels      = var.labels

  create_snapshot_before_destroy        = true
  create_snapshot_before_destroy_prefix = "${var.name}-rabbitmq-last"

  dynamic "disk_encryption_key" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      kms_key_self_link = disk_encryption_key.value
    }
  }

  lifecycle {
    precondition {
      condition     = local.zone == terraform_data.zone.output
      error_message = "RabbitMQ's disk is in ${terraform_data.zone.output}. In ${local.zone} it would be a new one, without queues, passwords and authority: set zone = \"${terraform_data.zone.output}\". To begin anew in ${local.zone} all the same, replace terraform_data.zone (README.md)."
    }
  }
}

resource "google_compute_resource_policy" "snapshots" {
  project     = var.project
  region      = var.region
  name        = "${var.name}-rabbitmq"
  description = "Daily snapshots of RabbitMQ's data."

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "03:00"
      }
    }
    retention_policy {
      max_retention_days    = var.snapshot_days
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }
    snapshot_properties {
      labels            = var.labels
      storage_locations = [var.region]
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "snapshots" {
  project = var.project
  zone    = local.zone
  disk    = google_compute_disk.data.name
  name    = google_compute_resource_policy.snapshots.name
}

resource "google_compute_instance" "this" {
  project      = var.project
  zone         = local.zone
  name         = "${var.name}-rabbitmq"
  description  = "RabbitMQ, to which experimenters submit."
  machine_type = var.machine_type
  labels       = var.labels

  allow_stopping_for_update = true
  deletion_protection       = var.deletion_protection

  boot_disk {
    auto_delete       = true
    kms_key_self_link = var.kms_key
    initialize_params {
      image = var.image
      size  = 20
      type  = "pd-balanced"
    }
  }

  attached_disk {
    source            = google_compute_disk.data.id
    device_name       = "data" # /dev/disk/by-id/google-data
    kms_key_self_link = var.kms_key
  }

  network_interface {
    subnetwork = var.subnet.id
    network_ip = google_compute_address.internal.address

    dynamic "access_config" {
      for_each = google_compute_address.external
      content {
        nat_ip = access_config.value.address
      }
    }
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  service_account {
    email  = google_service_account.this.email
    scopes = ["cloud-platform"] # what it may do is what its account is granted
  }

  scheduling {
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }

  # Metadata is changed on the running machine, and its script follows within two minutes or at the next boot.
  metadata = {
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
    startup-script         = file("${path.module}/vm/setup.sh")
    studio-sync            = file("${path.module}/vm/sync.py")
    studio-plain           = tostring(local.plain)
    studio-names           = join(",", local.names)
    studio-users           = jsonencode({ users = local.users, authority_secret = "projects/${var.project}/secrets/${var.name}-rabbitmq-ca" })
  }

  lifecycle {
    # A family moves on every few weeks; the machine is made anew only when its owner says so (terraform apply -replace).
    ignore_changes = [boot_disk[0].initialize_params[0].image]

    precondition {
      condition     = tonumber(split("/", var.subnet.range)[1]) <= 29
      error_message = "The subnet ${var.subnet.range} has no address left for RabbitMQ: make it a /29 or larger."
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.machine, google_secret_manager_secret_version.first]
}

# Rules name the machine's account: no other machine gets them by a tag that somebody gives it.
resource "google_compute_firewall" "bridge" {
  project                 = var.project
  name                    = "${var.name}-rabbitmq-bridge"
  description             = "The functions reach AMQP and the management API, with TLS."
  network                 = var.network
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = concat(var.bridge_ranges, var.clusters[*].range)
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = ["5671", "15671"]
  }
}

resource "google_compute_firewall" "internal" {
  for_each = length(var.internal_ranges) == 0 ? {} : { this = var.internal_ranges }

  project                 = var.project
  name                    = "${var.name}-rabbitmq-internal"
  description             = "Clients in this network and in those joined with it, with TLS."
  network                 = var.network
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = each.value
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = sort([for p in var.internal_ports : local.ports[p]])
  }
}

resource "google_compute_firewall" "clients" {
  for_each = var.external == null ? {} : { this = var.external }

  project                 = var.project
  name                    = "${var.name}-rabbitmq-clients"
  description             = "Clients outside reach what was asked for."
  network                 = var.network
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = each.value.source_ranges
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = sort([for p in each.value.ports : local.ports[p]])
  }

  log_config {
    metadata = "EXCLUDE_ALL_METADATA"
  }
}

# https://cloud.google.com/iap/docs/using-tcp-forwarding: the range from which Identity-Aware Proxy connects. Who may use it
# is decided there, not here.
resource "google_compute_firewall" "iap" {
  project                 = var.project
  name                    = "${var.name}-rabbitmq-iap"
  description             = "SSH through Identity-Aware Proxy only."
  network                 = var.network
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = ["35.235.240.0/20"]
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
