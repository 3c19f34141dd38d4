# Who submits for a tenant: one service account each, which may use that tenant's buckets and no others. With s3 it has an HMAC
# key for S3's protocol (studio run, boto3, mc). Google makes an HMAC key's secret and shows it once, to who made the key:
# it is in Terraform's state therefore, and nowhere else but in Secret Manager. Keep the state where only owners can read it.

resource "google_service_account" "client" {
  for_each = local.tenants

  project      = var.project
  account_id   = "${var.name}-t-${each.key}"
  display_name = "StudioML tenant ${each.key}"
  description  = "Uploads and fetches artifacts of the tenant ${each.key}."

  lifecycle {
    precondition {
      condition     = length("${var.name}-t-${each.key}") >= 6 && length("${var.name}-t-${each.key}") <= 30
      error_message = "A service account is named ${var.name}-t-${each.key}, and Google takes 6 to 30 characters: name and the tenant's name have 3 to 27 together."
    }
  }
}

locals {
  client_buckets = merge([for t in var.tenants : {
    for b in distinct([t.store, t.metadata]) : "${t.name}/${b}" => { tenant = t.name, bucket = b }
  }]...)
}

resource "google_storage_bucket_iam_member" "client" {
  for_each = local.client_buckets

  bucket = merge(google_storage_bucket.store, google_storage_bucket.metadata)[each.value.bucket].name
  role   = "roles/storage.objectUser"
  member = google_service_account.client[each.value.tenant].member
}

# Clients look a bucket up by its name before they use it.
resource "google_storage_bucket_iam_member" "client_get" {
  for_each = local.client_buckets

  bucket = merge(google_storage_bucket.store, google_storage_bucket.metadata)[each.value.bucket].name
  role   = "roles/storage.legacyBucketReader"
  member = google_service_account.client[each.value.tenant].member
}

# The StudioML client begins with S3's ListBuckets, and does not start without an answer. It can be allowed for the project alone,
# and shows the names of its buckets.
resource "terraform_data" "listing" {
  input = "${replace(var.name, "-", "_")}_list_buckets_${formatdate("YYYYMMDDhhmmss", plantimestamp())}"

  lifecycle {
    ignore_changes = [input] # a role's name is taken for weeks after it was deleted
  }
}

resource "google_project_iam_custom_role" "listing" {
  for_each = anytrue(var.tenants[*].s3) ? { this = terraform_data.listing.output } : {}

  project     = var.project
  role_id     = each.value
  title       = "${var.name} list buckets"
  description = "Lists the project's buckets, as S3's clients do."
  permissions = ["storage.buckets.list"]
}

resource "google_project_iam_member" "listing" {
  for_each = { for name, t in local.tenants : name => t if t.s3 }

  project = var.project
  role    = google_project_iam_custom_role.listing["this"].id
  member  = google_service_account.client[each.key].member
}

resource "google_storage_hmac_key" "client" {
  for_each = { for name, t in local.tenants : name => t if t.s3 }

  project               = var.project
  service_account_email = google_service_account.client[each.key].email
}

resource "google_secret_manager_secret" "hmac" {
  for_each = google_storage_hmac_key.client

  project   = var.project
  secret_id = "${var.name}-s3-${each.key}"
  labels    = merge(var.labels, { tenant = each.key })

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

# Its own key a tenant fetches itself: nobody with more rights needs to hand it out.
resource "google_secret_manager_secret_iam_member" "hmac" {
  for_each = google_secret_manager_secret.hmac

  project   = var.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.client[each.key].member
}

resource "google_secret_manager_secret_version" "hmac" {
  for_each = google_storage_hmac_key.client

  secret = google_secret_manager_secret.hmac[each.key].id
  secret_data = jsonencode({
    access_key        = each.value.access_id
    secret_access_key = each.value.secret
    endpoint          = "https://storage.googleapis.com"
    region            = var.region
  })

  lifecycle {
    create_before_destroy = true # the latest version is there at any time
  }
}
