# The functions, as Cloud Run services: relay and report are the bridge's two, finalize keeps the records. Nobody reaches them
# from outside: Scheduler, Pub/Sub and Eventarc of the project count as inside, and each brings a token.

locals {
  common = {
    GOOGLE_CLOUD_PROJECT = var.project
    TENANTS              = "/etc/studio/tenants/tenants.json"
    LOG_LEVEL            = "INFO"
  }

  # The authority that signs RabbitMQ's certificate, beside the system's.
  rabbitmq = var.rabbitmq_secrets.ca == null ? {} : { SSL_CERT_DIR = "/etc/studio/rabbitmq" }

  rabbitmq_mount = var.rabbitmq_secrets.ca == null ? {} : { rabbitmq = { secret = var.rabbitmq_secrets.ca, file = "ca.pem" } }

  services = {
    relay = {
      image   = "bridge"
      timeout = "660s" # RELAY_DEADLINE, and time to settle
      cpu     = "1"
      memory  = "512Mi"
      least   = var.relay_instances.least
      most    = var.relay_instances.most
      calls   = 10 # each is a run of its own; they share the queues
      vpc     = true
      env = merge(local.common, local.rabbitmq, { for name, e in { QUEUE_MATCH = var.queues.match, QUEUE_MISMATCH = var.queues.mismatch } : name => e if e != null }, {
        FUNCTION_TARGET     = "Relay"
        POOLS               = var.pools_json
        EVENTS_TOPIC        = var.topics.events
        DEAD_LETTER_TOPIC   = var.topics.dead_letters
        REPORTS_TOPIC       = var.topics.reports
        CLEAR_TEXT_MESSAGES = tostring(var.clear_text_messages)
        RELAY_DEADLINE      = "9m"
        # Where an instance is kept warm it listens from one call to the next; else it lets go soon after the last request.
        RELAY_IDLE = coalesce(var.relay_idle, var.relay_instances.least > 0 ? "2m" : "5s")
      })
    }
    report = {
      image   = "bridge"
      timeout = "60s"
      cpu     = "1"
      memory  = "512Mi"
      least   = 0
      most    = 4
      calls   = 40
      vpc     = true
      env     = merge({ for k, v in local.common : k => v if k != "GOOGLE_CLOUD_PROJECT" }, local.rabbitmq, { FUNCTION_TARGET = "Report" })
    }
    finalize = {
      image   = "finalize"
      timeout = "120s"
      cpu     = "1"
      memory  = "512Mi" # the least in the second generation
      least   = 0
      most    = 20
      calls   = 20
      vpc     = false
      env     = merge(local.common, { EVENTS_TOPIC = var.topics.events })
    }
  }

  # What each mounts: folder => secret and file. Mounted files are fetched when they are read, so that a new version is seen
  # without a rollout; AMQP_URL is read at an instance's start.
  mounts = {
    relay    = merge({ tenants = { secret = google_secret_manager_secret.tenants.secret_id, file = "tenants.json" } }, local.rabbitmq_mount)
    report   = merge({ tenants = { secret = google_secret_manager_secret.tenants.secret_id, file = "tenants.json" } }, local.rabbitmq_mount)
    finalize = { tenants = { secret = google_secret_manager_secret.tenants.secret_id, file = "tenants.json" } }
  }
}

resource "google_service_account" "service" {
  for_each = local.services

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "StudioML ${each.key}"
  description  = "The function ${each.key}."
}

resource "google_cloud_run_v2_service" "this" {
  for_each = local.services

  project             = var.project
  location            = var.region
  name                = "${var.name}-${each.key}"
  description         = "StudioML: the function ${each.key}."
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = var.deletion_protection
  labels              = var.labels

  template {
    service_account                  = google_service_account.service[each.key].email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    timeout                          = each.value.timeout
    max_instance_request_concurrency = each.value.calls

    scaling {
      min_instance_count = each.value.least
      max_instance_count = each.value.most
    }

    # Straight into the network, without a connector to pay for and to watch; only RabbitMQ's addresses go that way.
    dynamic "vpc_access" {
      for_each = each.value.vpc ? [1] : []
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = var.network
          subnetwork = var.subnet
        }
      }
    }

    containers {
      # Until the first build; later images are Cloud Build's (ignore_changes below).
      image = "us-docker.pkg.dev/cloudrun/container/hello:latest"

      resources {
        limits            = { cpu = each.value.cpu, memory = each.value.memory }
        cpu_idle          = each.value.least == 0 # a warm one keeps its CPU between calls
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = each.value.env
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = each.value.vpc ? [var.rabbitmq_secrets.bridge] : []
        content {
          name = "AMQP_URL"
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      dynamic "volume_mounts" {
        for_each = local.mounts[each.key]
        content {
          name       = volume_mounts.key
          mount_path = "/etc/studio/${volume_mounts.key}"
        }
      }
    }

    dynamic "volumes" {
      for_each = local.mounts[each.key]
      content {
        name = volumes.key
        secret {
          secret       = volumes.value.secret
          default_mode = 292 # 0444: the functions are not root
          items {
            version = "latest"
            path    = volumes.value.file
          }
        }
      }
    }
  }

  lifecycle {
    # Rollouts are Cloud Build's: an apply after one changes nothing. scaling is the service's own, which Cloud Run fills in; the
    # revisions' is in the template. A revision's name is not among these: gcloud leaves it empty, and one that somebody gave must
    # go with the next change, for Cloud Run refuses two revisions of a name
    # (https://github.com/hashicorp/terraform-provider-google/issues/13410).
    ignore_changes = [
      template[0].containers[0].image, template[0].containers[0].name, template[0].labels, template[0].annotations,
      scaling, client, client_version,
    ]

    precondition {
      condition     = length("${var.name}-${each.key}") <= 49
      error_message = "The service's name ${var.name}-${each.key} would have more than 49 characters; shorten name."
    }
  }

  # Cloud Run refuses a service whose secret it may not read, or that has no version.
  depends_on = [google_secret_manager_secret_iam_member.mounted, google_secret_manager_secret_version.tenants]
}

# Nothing in it is secret, but who changes it decides whose requests run: it is kept where that is watched, and re-read from
# there within seconds.
resource "google_secret_manager_secret" "tenants" {
  project   = var.project
  secret_id = "${var.name}-tenants"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "tenants" {
  secret      = google_secret_manager_secret.tenants.id
  secret_data = var.tenants_json

  lifecycle {
    create_before_destroy = true # the latest version is there at any time
  }
}

resource "google_secret_manager_secret_iam_member" "mounted" {
  for_each = merge([for service, mounts in local.mounts : merge(
    { for folder, m in mounts : "${service} ${folder}" => { service = service, secret = m.secret } },
    local.services[service].vpc ? { "${service} amqp" = { service = service, secret = var.rabbitmq_secrets.bridge } } : {},
  )]...)

  # A secret of another project is named whole.
  project   = try(regex("^projects/([^/]+)/", each.value.secret)[0], var.project)
  secret_id = element(split("/", each.value.secret), length(split("/", each.value.secret)) - 1)
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.service[each.value.service].member
}

# Cloud Build rolls out: on these services, and as their accounts.
resource "google_cloud_run_v2_service_iam_member" "build" {
  for_each = google_cloud_run_v2_service.this

  project  = var.project
  location = var.region
  name     = each.value.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.build_service_account}"
}

resource "google_service_account_iam_member" "build" {
  for_each = google_service_account.service

  service_account_id = each.value.name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.build_service_account}"
}
