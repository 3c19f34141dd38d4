# A deployment without anything that need not be asked for; and one at another's RabbitMQ.
mock_provider "google" {
  # A mocked data source answers each read with another text, unless it is told what to say.
  mock_data "google_storage_project_service_account" {
    defaults = { email_address = "service-1@gs-project-accounts.iam.gserviceaccount.com" }
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
  pools   = [{ name = "cpu", cpus = 3, ram = "10gb", hdd = "50gb" }]
  tenants = [{ name = "team", prefix = "rmq_team", store = "example-store", metadata = "example-metadata" }]
}

run "a_deployment_without_extras_works_too" {
  assert {
    condition     = output.deployment.rabbitmq.external == null && output.deployment.jobs == {} && output.deployment.workers == {}
    error_message = "Something that nobody asked for."
  }
  assert {
    condition     = length(setintersection([for e in module.functions.settings["relay"] : e.name], ["QUEUE_MATCH", "QUEUE_MISMATCH"])) == 0
    error_message = "The only bridge of a RabbitMQ leaves queues out."
  }
}

run "a_second_apply_without_extras_changes_nothing" {
  command = plan
}

run "at_anothers_rabbitmq_there_is_no_machine" {
  variables {
    rabbitmq = { existing = { bridge_secret = "projects/first-project/secrets/studio-amqp-bridge-team", ca_secret = "projects/first-project/secrets/studio-rabbitmq-ca" } }
  }
  assert {
    condition     = length(module.rabbitmq) == 0 && alltrue([for v in values(output.deployment.rabbitmq) : v == null]) && !contains(keys(output.deployment.service_accounts), "rabbitmq")
    error_message = "A machine that nobody asked for, or a deployment.json of another shape."
  }
  assert {
    condition     = output.clients["team"].amqp_secret == null && output.clients["team"].ca_secret == "projects/first-project/secrets/studio-rabbitmq-ca"
    error_message = "Clients are sent to a secret that is not there."
  }
  assert {
    condition     = length(google_secret_manager_secret_iam_member.tenants) == 0
    error_message = "Another's secrets are given to this deployment's tenants."
  }
  assert {
    condition     = one([for e in module.functions.settings["relay"] : e.value if e.name == "QUEUE_MATCH"]) == "^(rmq_team)"
    error_message = "Its bridge takes others' requests, and refuses them for good."
  }
}

run "a_second_apply_at_anothers_rabbitmq_changes_nothing" {
  command = plan
  variables {
    rabbitmq = { existing = { bridge_secret = "projects/first-project/secrets/studio-amqp-bridge-team", ca_secret = "projects/first-project/secrets/studio-rabbitmq-ca" } }
  }
}

run "anothers_rabbitmq_is_not_opened_from_here" {
  command = plan
  variables {
    rabbitmq = { external = { source_ranges = ["203.0.113.0/24"] }, existing = { bridge_secret = "studio-amqp-bridge" } }
  }
  expect_failures = [var.rabbitmq]
}

run "anothers_rabbitmq_lets_no_client_in_from_here" {
  command = plan
  variables {
    rabbitmq = { internal_ranges = ["10.40.0.0/16"], existing = { bridge_secret = "studio-amqp-bridge" } }
  }
  expect_failures = [var.rabbitmq]
}
