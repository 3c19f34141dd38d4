# What the rest needs of a project: its APIs and their service agents, the registry, the bucket of the configuration, and
# the account that Cloud Build deploys with.

locals {
  apis = toset([
    "artifactregistry.googleapis.com", "bigquery.googleapis.com", "billingbudgets.googleapis.com", "cloudbuild.googleapis.com",
    "cloudkms.googleapis.com", "cloudresourcemanager.googleapis.com", "cloudscheduler.googleapis.com", "compute.googleapis.com",
    "container.googleapis.com", "containerfilesystem.googleapis.com", "eventarc.googleapis.com", "iam.googleapis.com", "iamcredentials.googleapis.com",
    "iap.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com", "oslogin.googleapis.com", "pubsub.googleapis.com",
    "run.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com", "workflowexecutions.googleapis.com", "workflows.googleapis.com",
  ])
}

resource "google_project_service" "this" {
  for_each = local.apis

  project            = var.project
  service            = each.key
  disable_on_destroy = false # others in the project may use it
}

# Images are scanned by the build: Google's own scanner (containerscanning) is paid for with each image.

# A service agent is there once something has used its API; these are needed before. Workflows refuses the first workflow without its own.
resource "google_project_service_identity" "this" {
  provider = google-beta
  for_each = toset(concat(
    ["pubsub.googleapis.com", "eventarc.googleapis.com", "workflows.googleapis.com"],
    var.kms_key == null ? [] : ["artifactregistry.googleapis.com", "container.googleapis.com"],
  ))

  project = var.project
  service = google_project_service.this[each.key].service
}

data "google_storage_project_service_account" "this" {
  project    = var.project
  depends_on = [google_project_service.this]
}

# Asked for, BigQuery makes its agent.
data "google_bigquery_default_service_account" "this" {
  for_each = var.kms_key == null ? toset([]) : toset(["this"])

  project    = var.project
  depends_on = [google_project_service.this]
}

data "google_project" "this" {
  project_id = var.project
  depends_on = [google_project_service.this]
}

# Eventarc's agent reads the bucket's settings and makes its subscription. The role is the agent's own, which Google grants it
# when it makes the agent; it is here because that takes minutes, and the first trigger would fail in them.
resource "google_project_iam_member" "eventarc" {
  project = var.project
  role    = "roles/eventarc.serviceAgent"
  member  = google_project_service_identity.this["eventarc.googleapis.com"].member
}

# Those who keep things at rest encrypt them with a key of one's own as these agents.
resource "google_kms_crypto_key_iam_member" "at_rest" {
  for_each = var.kms_key == null ? {} : {
    storage  = data.google_storage_project_service_account.this.email_address
    pubsub   = google_project_service_identity.this["pubsub.googleapis.com"].email
    registry = "service-${data.google_project.this.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    bigquery = data.google_bigquery_default_service_account.this["this"].email
    compute  = "service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com"
    gke      = "service-${data.google_project.this.number}@container-engine-robot.iam.gserviceaccount.com"
  }

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"

  lifecycle {
    precondition {
      condition     = strcontains(var.kms_key, "/locations/${var.region}/")
      error_message = "kms_key ${var.kms_key} must be in ${var.region}, where everything is that it encrypts."
    }
  }

  depends_on = [google_project_service.this, google_project_service_identity.this]
}

resource "google_artifact_registry_repository" "this" {
  project       = var.project
  location      = var.region
  repository_id = var.name
  description   = "Images of executors and functions."
  format        = "DOCKER"
  kms_key_name  = var.kms_key
  labels        = var.labels

  # A version is a manifest, and a build makes six of each image: an index, the image, its SBOM with provenance, and the signature of
  # each of these (infra/deploy/publish). Room for two more keeps a build whole. The builds' cache is not among them: it is large, and
  # comes again.
  cleanup_policies {
    id     = "keep-latest"
    action = "KEEP"
    most_recent_versions {
      package_name_prefixes = ["bridge", "executor", "finalize"]
      keep_count            = 8 * var.keep_builds
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.at_rest]
}

# deployment.json, from which Cloud Build renders the cluster's manifests, and what gcloud builds submit uploads.
resource "google_storage_bucket" "config" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-config"
  location                    = var.region
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # everything in it can be made again

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 30
      matches_prefix = ["source/"]
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions = 20
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.at_rest]
}
