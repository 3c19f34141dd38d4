mock_provider "google" {
  # A mocked data source answers each read with another text, unless it is told what to say.
  mock_data "google_bigquery_default_service_account" {
    defaults = { email = "bq-1@bigquery-encryption.iam.gserviceaccount.com" }
  }
  mock_data "google_storage_project_service_account" {
    defaults = { email_address = "service-1@gs-project-accounts.iam.gserviceaccount.com" }
  }
  mock_data "google_project" {
    defaults = { number = "1" }
  }
}
mock_provider "google-beta" {}

variables {
  project = "a-project"
  region  = "europe-west4"
}

run "the_project_is_made_ready" {
  assert {
    condition     = alltrue([for s in google_project_service.this : !s.disable_on_destroy]) && contains(keys(google_project_service.this), "eventarc.googleapis.com")
    error_message = "Destroying this would switch APIs off that others use, or one is missing."
  }
  assert {
    condition     = output.registry.url == "europe-west4-docker.pkg.dev/a-project/studio"
    error_message = "Images are looked for elsewhere: ${output.registry.url}"
  }
  assert {
    condition     = google_storage_bucket.config.public_access_prevention == "enforced" && google_storage_bucket.config.uniform_bucket_level_access
    error_message = "The configuration may become public."
  }
}

run "cloud_build_may_do_little_on_the_whole_project" {
  assert {
    condition     = { for what, m in google_project_iam_member.build : what => m.role } == { logs = "roles/logging.logWriter", cluster = google_project_iam_custom_role.build.id }
    error_message = "Cloud Build has other roles on the project."
  }
  assert {
    condition     = google_project_iam_custom_role.build.permissions == toset(["container.clusters.connect", "container.clusters.get"]) && strcontains(google_project_iam_custom_role.build.role_id, google_service_account.build.unique_id)
    error_message = "Cloud Build may more than reach the cluster, or a deployment made anew finds its role's name taken."
  }
  assert {
    condition     = google_artifact_registry_repository_iam_member.build.role == "roles/artifactregistry.writer" && toset(keys(google_kms_crypto_key_iam_member.build)) == toset(["roles/cloudkms.signerVerifier", "roles/cloudkms.viewer"])
    error_message = "Cloud Build cannot push or sign, or may do more."
  }
}

run "cloud_build_sees_whether_the_deployment_is_well" {
  assert {
    condition     = google_project_iam_custom_role.doctor.permissions == toset(["cloudscheduler.jobs.get", "compute.projects.get", "compute.regions.get", "monitoring.timeSeries.list"]) && google_project_iam_member.doctor.member == google_service_account.build.member
    error_message = "The smoke test learns nothing, or may more than look."
  }
}

run "the_key_ring_is_another_one_each_time_all_is_made_anew" {
  assert {
    condition     = can(regex("^studio-20[0-9]{12}$", google_kms_key_ring.this.name)) && google_kms_key_ring.this.name == terraform_data.ring.output
    error_message = "A key ring whose name is taken for ever once it was destroyed: ${google_kms_key_ring.this.name}"
  }
}

run "agents_are_there_before_what_needs_them" {
  command = plan
  assert {
    condition     = toset(keys(google_project_service_identity.this)) == toset(["pubsub.googleapis.com", "eventarc.googleapis.com", "workflows.googleapis.com"])
    error_message = "The first workflow, trigger or dead letter policy finds no agent, and Google refuses it."
  }
  assert {
    condition     = can(regex("output \"project\" \\{[^}]*google_project_service_identity\\.this", file("outputs.tf"))) && output.project == "a-project"
    error_message = "Other modules begin before the agents are there."
  }
}

run "the_registry_keeps_builds_whole" {
  command = plan
  variables {
    keep_builds = 10
  }
  assert {
    condition     = one([for p in google_artifact_registry_repository.this.cleanup_policies : p.most_recent_versions[0].keep_count if p.action == "KEEP"]) >= 60
    error_message = "A build makes six versions of each image: what runs goes after fewer builds than were said."
  }
  assert {
    condition     = one([for p in google_artifact_registry_repository.this.cleanup_policies : toset(p.most_recent_versions[0].package_name_prefixes) if p.action == "KEEP"]) == toset(split(" ", regex("publish push ([a-z ]+)", file("../../../../cloudbuild.yaml"))[0]))
    error_message = "An image that Cloud Build pushes goes after 30 days, though it runs."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan
}

run "who_keeps_things_may_encrypt_them" {
  variables {
    kms_key = "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
  }
  assert {
    condition     = toset(keys(google_kms_crypto_key_iam_member.at_rest)) == toset(["storage", "pubsub", "registry", "bigquery", "compute", "gke"]) && alltrue([for m in google_kms_crypto_key_iam_member.at_rest : m.crypto_key_id == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"])
    error_message = "With a key of one's own the first bucket, topic, repository, table, disk or cluster would be refused."
  }
  assert {
    condition     = google_storage_bucket.config.encryption[0].default_kms_key_name == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k" && google_artifact_registry_repository.this.kms_key_name == "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
    error_message = "Images or the configuration are not encrypted with the key."
  }
}

run "a_second_apply_with_a_key_changes_nothing" {
  command = plan
  variables {
    kms_key = "projects/a-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
  }
}

run "a_key_of_another_region_is_refused" {
  command = plan
  variables {
    kms_key = "projects/a-project/locations/us-east1/keyRings/r/cryptoKeys/k"
  }
  expect_failures = [google_kms_crypto_key_iam_member.at_rest]
}

run "half_a_key_name_is_refused" {
  command = plan
  variables {
    kms_key = "k"
  }
  expect_failures = [var.kms_key]
}

run "a_name_too_long_is_refused" {
  command = plan
  variables {
    name = "studio-of-everybody"
  }
  expect_failures = [var.name]
}
