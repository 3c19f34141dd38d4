# The bridge as a worker, where relay_workers asks for it: instances that are always there, which nobody calls. The service stays
# beside it, without calls and so without cost, for the way back.

resource "google_cloud_run_v2_worker_pool" "relay" {
  for_each = var.relay_workers > 0 ? toset(["relay"]) : toset([])

  project             = var.project
  location            = var.region
  name                = "${var.name}-relay-worker"
  description         = "StudioML: the bridge, which takes requests from RabbitMQ."
  deletion_protection = false # it holds nothing, and relay_workers = 0 takes it away
  labels              = var.labels

  # Cloud Run knows no other scaling of worker pools: a scaling_mode would differ with every apply
  # (https://github.com/hashicorp/terraform-provider-google/issues/25580).
  scaling {
    manual_instance_count = var.relay_workers
  }

  template {
    service_account = google_service_account.service["relay"].email

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = var.network
        subnetwork = var.subnet
      }
    }

    containers {
      # What the service has by now, so that it works at once; later images are Cloud Build's (ignore_changes below).
      image = google_cloud_run_v2_service.this["relay"].template[0].containers[0].image

      resources {
        limits = { cpu = local.services.relay.cpu, memory = local.services.relay.memory }
      }

      dynamic "env" {
        # A run without work ends after a minute, so that its log says that it is well: alerts look for these lines.
        for_each = merge(local.services.relay.env, { RELAY_WORKER = "true", RELAY_IDLE = coalesce(var.relay_idle, "1m") })
        content {
          name  = env.key
          value = env.value
        }
      }
      env {
        name = "AMQP_URL"
        value_source {
          secret_key_ref {
            secret  = var.rabbitmq_secrets.bridge
            version = "latest"
          }
        }
      }

      dynamic "volume_mounts" {
        for_each = local.mounts.relay
        content {
          name       = volume_mounts.key
          mount_path = "/etc/studio/${volume_mounts.key}"
        }
      }
    }

    dynamic "volumes" {
      for_each = local.mounts.relay
      content {
        name = volumes.key
        secret {
          secret       = volumes.value.secret
          default_mode = 292 # 0444: the bridge is not root
          items {
            version = "latest"
            path    = volumes.value.file
          }
        }
      }
    }
  }

  lifecycle {
    # Rollouts are Cloud Build's: an apply after one changes nothing.
    ignore_changes = [
      template[0].containers[0].image, template[0].containers[0].name, template[0].labels, template[0].annotations,
      instance_splits, client, client_version,
    ]

    precondition {
      condition     = var.relay_instances.least == 0
      error_message = "relay_instances.least keeps an instance of the service warm, which nobody calls where relay_workers is set: leave one of them at 0."
    }
    precondition {
      condition     = length("${var.name}-relay-worker") <= 49
      error_message = "The worker pool's name ${var.name}-relay-worker would have more than 49 characters; shorten name."
    }
  }

  # Cloud Run refuses what mounts a secret that it may not read, or that has no version.
  depends_on = [google_secret_manager_secret_iam_member.mounted, google_secret_manager_secret_version.tenants]
}

resource "google_cloud_run_v2_worker_pool_iam_member" "build" {
  for_each = google_cloud_run_v2_worker_pool.relay

  project  = var.project
  location = var.region
  name     = each.value.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.build_service_account}"
}
