mock_provider "google" {}

variables {
  project         = "a-project"
  region          = "europe-west4"
  artifacts_topic = "studio-artifacts"
  service_agent   = "service-1@gs-project-accounts.iam.gserviceaccount.com"
  tenants = [
    { name = "vision", store = "acme-vision", metadata = "acme-vision-metadata", s3 = true },
    { name = "speech", store = "acme-speech", metadata = "acme-speech-metadata" },
    { name = "guests", store = "acme-speech", metadata = "acme-speech-metadata" },
  ]
}

run "buckets_are_private_regional_and_protect_results" {
  assert {
    condition     = keys(google_storage_bucket.store) == ["acme-speech", "acme-vision"] && keys(google_storage_bucket.metadata) == ["acme-speech-metadata", "acme-vision-metadata"]
    error_message = "Not one bucket for each name."
  }
  assert {
    condition = alltrue([for b in concat(values(google_storage_bucket.store), values(google_storage_bucket.metadata)) :
      b.uniform_bucket_level_access && b.public_access_prevention == "enforced" && b.location == "europe-west4" && !b.force_destroy
    ])
    error_message = "A bucket has access lists, may become public, lies elsewhere, or vanishes with its content."
  }
  assert {
    condition = alltrue([for b in google_storage_bucket.store : b.versioning[0].enabled && b.soft_delete_policy[0].retention_duration_seconds == 0
    && length([for c in flatten([for r in b.lifecycle_rule : [for c in r.condition : c]]) : c if c.with_state == "ARCHIVED" && c.days_since_noncurrent_time == 7]) == 1])
    error_message = "Results that are deleted by mistake are gone."
  }
  assert {
    condition     = alltrue([for b in google_storage_bucket.store : length([for c in flatten([for r in b.lifecycle_rule : [for c in r.condition : c]]) : c if c.with_state == "ARCHIVED" && c.num_newer_versions == 3]) == 1])
    error_message = "Each overwritten checkpoint is kept and paid for."
  }
  assert {
    condition     = alltrue([for b in google_storage_bucket.metadata : b.versioning[0].enabled])
    error_message = "Records have no versions."
  }
}

run "downstream_tools_are_told_of_objects" {
  assert {
    condition     = length(google_storage_notification.artifacts) == 2 && alltrue([for n in google_storage_notification.artifacts : n.topic == "//pubsub.googleapis.com/projects/a-project/topics/studio-artifacts" && contains(n.event_types, "OBJECT_FINALIZE")])
    error_message = "A store's objects are not told of."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.artifacts.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.artifacts.member == "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com"
    error_message = "Cloud Storage may not publish."
  }
}

run "a_tenant_reaches_its_own_buckets_only" {
  assert {
    condition = toset(keys(google_storage_bucket_iam_member.client)) == toset([
      "vision/acme-vision", "vision/acme-vision-metadata", "speech/acme-speech", "speech/acme-speech-metadata", "guests/acme-speech", "guests/acme-speech-metadata",
    ])
    error_message = "A tenant may use a bucket that is not its own, or not its own."
  }
  assert {
    condition     = google_storage_bucket_iam_member.client["vision/acme-vision"].member == google_service_account.client["vision"].member
    error_message = "Granted to another."
  }
}

run "clients_of_s3_may_list_buckets_and_nothing_else_of_the_project" {
  assert {
    condition     = keys(google_project_iam_member.listing) == ["vision"] && google_project_iam_member.listing["vision"].member == google_service_account.client["vision"].member && google_project_iam_custom_role.listing["this"].permissions == toset(["storage.buckets.list"])
    error_message = "The StudioML client does not start, or may more, or others may."
  }
}

run "who_looks_sees_no_object" {
  variables {
    viewers = { build = "studio-build@a-project.iam.gserviceaccount.com" }
  }
  assert {
    condition     = toset([for m in google_storage_bucket_iam_member.viewer : "${m.bucket} ${m.role} ${m.member}"]) == toset([for b in ["acme-speech", "acme-vision"] : "${b} roles/storage.bucketViewer serviceAccount:studio-build@a-project.iam.gserviceaccount.com"])
    error_message = "The smoke test does not see whether notices are sent, or may see objects."
  }
}

run "without_s3_nobody_lists_buckets" {
  command = plan
  variables {
    tenants = [{ name = "vision", store = "acme-vision", metadata = "acme-vision-metadata" }]
  }
  assert {
    condition     = length(google_project_iam_custom_role.listing) + length(google_project_iam_member.listing) == 0
    error_message = "A role that nobody needs."
  }
}

run "hmac_keys_go_to_secret_manager_and_to_no_output" {
  assert {
    condition     = keys(google_storage_hmac_key.client) == ["vision"] && output.s3_secrets == { vision = "studio-s3-vision" }
    error_message = "Keys for those who did not ask, or none for who did."
  }
  assert {
    condition     = jsondecode(google_secret_manager_secret_version.hmac["vision"].secret_data).secret_access_key == google_storage_hmac_key.client["vision"].secret
    error_message = "The secret holds something else."
  }
  assert {
    condition     = !strcontains(jsonencode([output.stores, output.metadata, output.clients, output.s3_secrets]), google_storage_hmac_key.client["vision"].secret)
    error_message = "An output tells the key."
  }
  assert {
    condition     = { for tenant, m in google_secret_manager_secret_iam_member.hmac : tenant => "${m.secret_id} ${m.role} ${m.member}" } == { vision = "studio-s3-vision roles/secretmanager.secretAccessor ${google_service_account.client["vision"].member}" }
    error_message = "A tenant cannot fetch its own key without an owner, or reads another's."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "a_key_of_ones_own_encrypts_every_bucket" {
  command = plan
  variables {
    kms_key = "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
  }
  assert {
    condition = alltrue([for b in concat(values(google_storage_bucket.store), values(google_storage_bucket.metadata)) :
      b.encryption[0].default_kms_key_name == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
    ])
    error_message = "A bucket is not encrypted with the key."
  }
}

run "a_store_may_hold_its_records_too" {
  command = plan
  variables {
    tenants = [{ name = "one", store = "acme-one", metadata = "acme-one" }]
  }
  assert {
    condition     = length(google_storage_bucket.store) == 1 && length(google_storage_bucket.metadata) == 0
    error_message = "The bucket would be made twice."
  }
}

run "one_store_with_two_metadata_buckets_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "a", store = "acme-one", metadata = "acme-two" }, { name = "b", store = "acme-one", metadata = "acme-three" }]
  }
  expect_failures = [var.tenants]
}

run "a_tenant_name_too_long_for_its_service_account_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "a-very-long-tenant", store = "acme-one", metadata = "acme-two" }]
  }
  expect_failures = [var.tenants]
}

run "names_too_short_for_a_service_account_are_refused" {
  command = plan
  variables {
    name    = "s"
    tenants = [{ name = "a", store = "acme-one", metadata = "acme-two" }]
  }
  expect_failures = [google_service_account.client["a"]]
}

run "a_bucket_name_that_google_refuses_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "a", store = "Acme", metadata = "acme-two" }]
  }
  expect_failures = [var.tenants]
}

run "three_days_of_soft_deletion_are_refused" {
  command = plan
  variables {
    soft_delete_days = 3
  }
  expect_failures = [var.soft_delete_days]
}

run "rules_delete_blobs_and_never_results" {
  command = plan
  variables {
    lifecycle_days = { blobs = 30, nearline = 60, coldline = 180 }
  }
  assert {
    condition = alltrue(flatten([for b in google_storage_bucket.store : [for r in b.lifecycle_rule :
      [for a in r.action : a.type != "Delete" || anytrue([for c in r.condition : c.matches_prefix == tolist(["blobstore/"]) || c.with_state == "ARCHIVED"])]
    ]]))
    error_message = "A rule deletes results."
  }
  assert {
    condition     = length([for r in google_storage_bucket.store["acme-vision"].lifecycle_rule : r if anytrue([for a in r.action : a.type == "SetStorageClass"])]) == 2
    error_message = "Results do not become cheaper."
  }
}
