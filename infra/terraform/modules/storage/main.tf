# Buckets of tenants: stores with artifacts, metadata buckets with experiments' records.

locals {
  stores   = toset(var.tenants[*].store)
  metadata = toset([for t in var.tenants : t.metadata if !contains(var.tenants[*].store, t.metadata)])
  tenants  = { for t in var.tenants : t.name => t }

  # By store: what happens to what is in it. A rule that is null is not made.
  store_rules = [for rule in [
    { days = var.lifecycle_days.blobs, prefix = "blobstore/", class = null },
    { days = var.lifecycle_days.nearline, prefix = "experiments/", class = "NEARLINE" },
    { days = var.lifecycle_days.coldline, prefix = "experiments/", class = "COLDLINE" },
  ] : rule if rule.days != null]
}

# What is deleted or overwritten by mistake can be brought back. A checkpoint overwrites the last one every few minutes: of these few
# versions are kept (Cloud Storage clears them away about once a day), where soft deletion would keep and bill each for a week.
resource "google_storage_bucket" "store" {
  for_each = local.stores

  project                     = var.project
  name                        = each.key
  location                    = var.region
  storage_class               = "STANDARD"
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 24 * 3600
  }

  dynamic "lifecycle_rule" {
    for_each = [{ days = var.restore.days, newer = null }, { days = null, newer = var.restore.versions + 1 }]
    content {
      action {
        type = "Delete"
      }
      condition {
        with_state                 = "ARCHIVED"
        days_since_noncurrent_time = lifecycle_rule.value.days
        num_newer_versions         = lifecycle_rule.value.newer
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = local.store_rules
    content {
      action {
        type          = lifecycle_rule.value.class == null ? "Delete" : "SetStorageClass"
        storage_class = lifecycle_rule.value.class
      }
      condition {
        with_state     = "LIVE"
        age            = lifecycle_rule.value.days
        matches_prefix = [lifecycle_rule.value.prefix]
      }
    }
  }

  # What a client that died left of an upload in parts is paid for and seen by nobody.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }
}

# Records are small and written by several: their versions are kept, so that what a program wrote wrongly can be seen.
resource "google_storage_bucket" "metadata" {
  for_each = local.metadata

  project                     = var.project
  name                        = each.key
  location                    = var.region
  storage_class               = "STANDARD"
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  versioning {
    enabled = true
  }

  # Versions do what soft deletion does, and it would keep each of them once more.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.lifecycle_days.record_versions
      num_newer_versions         = 3
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }
}
