# Who submits for a tenant: one service account each, which may use that tenant's buckets and no others. With s3 it has an HMAC
# key for S3's protocol (studio run, boto3, mc). Google makes an HMAC key's secret and shows it once, to who made the key:
# it is in Terraform's state therefore, and nowhere else but in Secret Manager. Keep the state where only owners can read it.

resource "google_service_account" "client" {
  for_each = local.tenants

  project      = var.project
  account_id   = "${var.name}-t-${each.key}"
  display_name = "StudioML tenant ${each.key}"
  description  = "Uploads and fetches artifacts of the tenant ${each.key}."
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

resource "google_secret_manager_secret_version" "hmac" {
  for_each = google_storage_hmac_key.client

  secret = google_secret_manager_secret.hmac[each.key].id
  secret_data = jsonencode({
    access_key        = each.value.access_id
    secret_access_key = each.value.secret
    endpoint          = "https://storage.googleapis.com"
    region            = var.region
  })
}
