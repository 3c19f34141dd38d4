# What Cloud Build builds and deploys with. What it may do to each function and job is granted beside these.

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "StudioML build"
  description  = "Cloud Build: builds images, rolls functions and executors out."
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.this.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.config.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

# Finding the cluster, and speaking with it by its DNS name. What may then be done in it is a role of Kubernetes (modules/cluster).
# A role's name is taken for weeks after it was deleted, so it holds what no other account has.
resource "google_project_iam_custom_role" "build" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_build_${google_service_account.build.unique_id}"
  title       = "${var.name} build"
  description = "Reaches the cluster's control plane."
  permissions = ["container.clusters.connect", "container.clusters.get"]
}

# Logs and clusters have no policies of their own: both can only be granted on the project.
resource "google_project_iam_member" "build" {
  for_each = { logs = "roles/logging.logWriter", cluster = google_project_iam_custom_role.build.id }

  project = var.project
  role    = each.value
  member  = google_service_account.build.member
}

# Google deletes no key ring, and no second one may have its name: what was destroyed and is made again gets another.
resource "terraform_data" "ring" {
  input = "${var.name}-${formatdate("YYYYMMDDhhmmss", plantimestamp())}"

  lifecycle {
    ignore_changes = [input] # it stays what it was when it was made
  }
}

resource "google_kms_key_ring" "this" {
  project  = var.project
  location = var.region
  name     = terraform_data.ring.output

  depends_on = [google_project_service.this]
}

# Images are signed with it. The private key never leaves Cloud KMS.
resource "google_kms_crypto_key" "images" {
  key_ring = google_kms_key_ring.this.id
  name     = "images"
  purpose  = "ASYMMETRIC_SIGN"
  labels   = var.labels

  version_template {
    algorithm        = "EC_SIGN_P256_SHA256"
    protection_level = "SOFTWARE"
  }
}

# cosign looks at the key, and for its latest version, before it signs.
resource "google_kms_crypto_key_iam_member" "build" {
  for_each = toset(["roles/cloudkms.signerVerifier", "roles/cloudkms.viewer"])

  crypto_key_id = google_kms_crypto_key.images.id
  role          = each.key
  member        = google_service_account.build.member
}
