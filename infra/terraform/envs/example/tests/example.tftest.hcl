# The whole deployment, with the values of terraform.tfvars.example but for what each run names.
mock_provider "google" {
  # A mocked data source answers each read with another text, unless it is told what to say.
  mock_data "google_storage_project_service_account" {
    defaults = { email_address = "service-1@gs-project-accounts.iam.gserviceaccount.com" }
  }
  mock_data "google_bigquery_default_service_account" {
    defaults = { email = "bq-1@bigquery-encryption.iam.gserviceaccount.com" }
  }
  mock_data "google_project" {
    defaults = { number = "1" }
  }
  mock_resource "google_compute_address" {
    defaults = { address = "198.51.100.7" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://a-service.run.app" }
  }
  mock_resource "google_secret_manager_secret" {
    defaults = { id = "projects/example-project/secrets/a-secret" }
  }
}
mock_provider "google" {
  alias = "billing"
}
mock_provider "google-beta" {}
mock_provider "helm" {}

variables {
  project = "example-project"
  region  = "europe-west4"
  pools = [
    { name = "cpu", cpus = 3, ram = "10gb", hdd = "50gb" },
    { name = "quick", kind = "run-job", cpus = 4, ram = "8gb", hdd = "4gb" },
    { name = "gpu-t4", gpus = 1, gpu_slots = 4, gpu_mem = "16gb", cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4", max_nodes = 8 } },
  ]
  tenants = [
    { name = "team", prefix = "rmq_", store = "example-store", metadata = "example-metadata", s3 = true },
    { name = "vision", prefix = "rmq_vision", store = "example-vision", metadata = "example-vision-records", buckets = ["shared-datasets"], signing_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl vision"] },
  ]
  trusted           = true # for the pool of jobs
  alert_emails      = ["ops@example.org"]
  bigquery_location = "EU"
  budget            = { billing_account = "012345-567890-ABCDEF", amount = 500 }
  rabbitmq          = { external = { source_ranges = ["203.0.113.0/24"] } }
}

run "everything_follows_from_pools_and_tenants" {
  assert {
    condition     = toset(keys(output.deployment.requests)) == toset(["cpu", "quick", "gpu-t4"])
    error_message = "A pool without its topic."
  }
  assert {
    condition     = [for p in output.deployment.pools : p.name] == ["cpu", "quick", "gpu-t4"] && output.deployment.pools[2].gpu_slots == 4 && output.deployment.pools[2].machine.max_nodes == 8
    error_message = "The pools' order is routing's, and is lost; or a member is."
  }
  assert {
    condition = jsonencode([for p in output.deployment.pools : p.machine]) == jsonencode([
      { gpu_type = null, max_nodes = 10, spot = true }, { gpu_type = null, max_nodes = 10, spot = false }, { gpu_type = "nvidia-tesla-t4", max_nodes = 8, spot = true },
    ])
    error_message = "doctor would look at quotas that the pools do not take: ${jsonencode(output.deployment.pools[*].machine)}"
  }
  assert {
    condition     = output.deployment.rabbitmq.zone == "europe-west4-b"
    error_message = "Not every region has the zone: ${output.deployment.rabbitmq.zone}"
  }
  assert {
    condition     = output.deployment.jobs == { quick = "studio-quick" }
    error_message = "A pool of jobs without its job."
  }
  assert {
    condition     = [for t in output.deployment.tenants.tenants : t.prefix] == ["rmq_", "rmq_vision"] && !contains(keys(output.deployment.tenants.tenants[0]), "signing_keys") && contains(output.deployment.tenants.tenants[1].buckets, "shared-datasets")
    error_message = "TENANTS is not what the variable says."
  }
  assert {
    condition     = toset(keys(output.clients)) == toset(["team", "vision"]) && output.clients["vision"].amqp_secret == "studio-amqp-vision"
    error_message = "A tenant without what it connects with."
  }
  assert {
    condition = toset([for m in google_secret_manager_secret_iam_member.tenants : "${m.secret_id} ${m.role} ${m.member}"]) == toset(flatten([for t in ["team", "vision"] : [
      for s in ["studio-amqp-${t}", "studio-rabbitmq-ca"] : "${s} roles/secretmanager.secretAccessor serviceAccount:${output.clients[t].service_account}"
    ]]))
    error_message = "A tenant cannot fetch what it connects with, or fetches another's."
  }
  assert {
    condition     = output.deployment.workers == {} && output.deployment.services.relay == "studio-relay"
    error_message = "Cloud Build would roll out a worker that is not there."
  }
  assert {
    condition     = module.budget.budget == "studio: example-project"
    error_message = "The month has no budget, though one was asked for."
  }
  assert {
    condition     = jsondecode(google_storage_bucket_object.deployment.content).registry == "europe-west4-docker.pkg.dev/example-project/studio"
    error_message = "Cloud Build does not find where to deploy to."
  }
  assert {
    condition     = endswith(output.build, " --substitutions _NAME=studio") && startswith(output.build, "gcloud builds submit --project example-project --region europe-west4 --config cloudbuild.yaml ")
    error_message = "The build would deploy another region or name: ${output.build}"
  }
  assert {
    condition     = alltrue([for s in split(",", regex("--substitutions (.*)$", output.build)[0]) : contains(keys(yamldecode(file("../../../../cloudbuild.yaml")).substitutions), split("=", s)[0])])
    error_message = "cloudbuild.yaml does not know a substitution, and Cloud Build would refuse the build: ${output.build}"
  }
  assert {
    condition     = length(distinct(values(output.deployment.service_accounts))) == length(output.deployment.service_accounts)
    error_message = "Two deployables share an account."
  }
}

# The check of plans (infra/check) reads the plans of the runs whose names begin like this one's, and fails on any change in them.
run "a_second_apply_changes_nothing" {
  command = plan
}

run "all_that_may_be_asked_for_goes_together" {
  variables {
    name                 = "studio-eu"
    zone                 = "europe-west4-b"
    kms_key              = "projects/example-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
    authorized_networks  = { office = "203.0.113.0/24" }
    request_keys_ready   = true
    clear_text_messages  = true
    relay_workers        = 2
    relay_instances      = { most = 2 }
    relay_idle           = "30s"
    bigquery_location    = "europe-west4"
    events_subscriptions = { board = ["serviceAccount:board@example-project.iam.gserviceaccount.com"] }
    queue_match          = "^rmq_.*"
    storage              = { restore_days = 30, restore_versions = 5, soft_delete_days = 30, record_versions = 60, blobs = 90, nearline = 30, coldline = 120 }
    peers                = { speech = "projects/speech-project/global/networks/studio" }
    labels               = { team = "research" }
    deletion_protection  = false
    rabbitmq = {
      machine_type    = "e2-standard-2"
      disk_gb         = 50
      internal_ranges = ["10.40.0.0/16"]
      internal_ports  = ["amqps", "management-tls"]
      external        = { source_ranges = ["203.0.113.0/24"], ports = ["amqps", "management-tls", "amqp", "management"], dns_name = "rabbit.example.org" }
      clusters        = [{ name = "speech", prefixes = ["rmq_speech", "rmq_a.b"], range = "10.30.16.0/24" }]
      users           = [{ name = "speech", prefix = "rmq_speech" }]
    }
  }
  assert {
    condition     = strcontains(output.build, "_NAME=studio-eu") && output.deployment.signing_key != ""
    error_message = "The build does not find a deployment of another name."
  }
  assert {
    condition     = output.clients["speech"].amqp_secret == "studio-eu-amqp-speech" && output.clients["speech"].service_account == null
    error_message = "Who submits to another cluster's queues has no user."
  }
  assert {
    condition = alltrue([for name, want in { QUEUE_MATCH = "^rmq_.*", QUEUE_MISMATCH = "^(rmq_speech|rmq_a\\.b)", RELAY_IDLE = "30s" } :
      one([for e in module.functions.settings["relay-worker"] : e.value if e.name == name]) == want
    ])
    error_message = "The bridge takes what is another's, or leaves out what is its own."
  }
  assert {
    condition     = output.deployment.workers == { relay = "studio-eu-relay-worker" } && output.deployment.services.relay == "studio-eu-relay" && alltrue([for a in output.deployment.service_accounts : a != null])
    error_message = "Cloud Build does not find the worker, and it would run an old image for ever."
  }
}

run "a_second_apply_of_all_changes_nothing" {
  command = plan
  variables {
    name                 = "studio-eu"
    zone                 = "europe-west4-b"
    kms_key              = "projects/example-project/locations/europe-west4/keyRings/r/cryptoKeys/k"
    authorized_networks  = { office = "203.0.113.0/24" }
    request_keys_ready   = true
    clear_text_messages  = true
    relay_workers        = 2
    relay_instances      = { most = 2 }
    relay_idle           = "30s"
    bigquery_location    = "europe-west4"
    events_subscriptions = { board = ["serviceAccount:board@example-project.iam.gserviceaccount.com"] }
    queue_match          = "^rmq_.*"
    storage              = { restore_days = 30, restore_versions = 5, soft_delete_days = 30, record_versions = 60, blobs = 90, nearline = 30, coldline = 120 }
    peers                = { speech = "projects/speech-project/global/networks/studio" }
    labels               = { team = "research" }
    deletion_protection  = false
    rabbitmq = {
      machine_type    = "e2-standard-2"
      disk_gb         = 50
      internal_ranges = ["10.40.0.0/16"]
      internal_ports  = ["amqps", "management-tls"]
      external        = { source_ranges = ["203.0.113.0/24"], ports = ["amqps", "management-tls", "amqp", "management"], dns_name = "rabbit.example.org" }
      clusters        = [{ name = "speech", prefixes = ["rmq_speech", "rmq_a.b"], range = "10.30.16.0/24" }]
      users           = [{ name = "speech", prefix = "rmq_speech" }]
    }
  }
}

run "a_private_key_in_the_tenants_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "team", prefix = "rmq_", store = "example-store", metadata = "example-metadata", report_key = "-----BEGIN RSA PRIVATE KEY-----" }]
  }
  expect_failures = [var.tenants]
}

run "a_signing_key_of_another_kind_is_refused" {
  command = plan
  variables {
    tenants = [{ name = "team", prefix = "rmq_", store = "example-store", metadata = "example-metadata", signing_keys = ["ssh-rsa AAAA"] }]
  }
  expect_failures = [var.tenants]
}

run "gpus_without_their_memory_are_refused" {
  command = plan
  variables {
    pools = [{ name = "gpu", gpus = 1, cpus = 3, ram = "10gb", hdd = "100gb", machine = { accelerator = "nvidia-tesla-t4" } }]
  }
  expect_failures = [var.pools]
}

run "nobody_to_submit_is_refused" {
  command = plan
  variables {
    tenants = []
  }
  expect_failures = [var.tenants]
}
