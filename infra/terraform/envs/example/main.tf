# One deployment: everything follows from pools and tenants. Copy this folder, or call it as a module, for your own.

provider "google" {
  project = var.project
  region  = var.region
}

# The API of budgets wants to know which project's quota it takes, where a person's own login is used.
# https://registry.terraform.io/providers/hashicorp/google/latest/docs/resources/billing_budget
provider "google" {
  alias                 = "billing"
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}

provider "google-beta" {
  project = var.project
  region  = var.region
}

# The cluster is reached by its DNS name, whose certificate every machine trusts; who may reach it is IAM's matter. The plugin,
# which kubectl needs too, gives a token when one is needed: one that the plan had would have ended an hour later. It takes the
# application default credentials, as the provider google does; with others (GOOGLE_CREDENTIALS), name a token in its place.
provider "helm" {
  kubernetes {
    host = "https://${module.gke.cluster.endpoint}"
    exec {
      api_version = "client.authentication.k8s.io/v1beta1"
      command     = "gke-gcloud-auth-plugin"
      args        = ["--use_application_default_credentials"]
    }
  }
}

locals {
  labels = merge({ app = "studio-cloud-runner" }, var.labels)

  # As the programs read them: without what is Terraform's, and without what is not set. Their order is that of the variable.
  pools   = [for p in var.pools : { for k, v in p : k => v if k != "machine" && v != null && !(k == "gpus" && p.gpus == 0) }]
  tenants = { tenants = [for t in var.tenants : { for k, v in t : k => v if !contains(["name", "s3"], k) && v != null && try(length(v) > 0, true) }] }

  # The same for Cloud Build, which renders the cluster's manifests, and for doctor, which looks at quotas: with the most nodes of
  # each pool, their card and whether they are spot.
  machines = [for i, p in var.pools : merge(local.pools[i], { machine = {
    max_nodes = p.machine.max_nodes
    gpu_type  = try(module.gke.node_pools[p.name].gpu_type, null)
    spot      = try(module.gke.node_pools[p.name].spot, false)
  } })]
}

module "project" {
  source  = "../../modules/project"
  project = var.project
  region  = var.region
  name    = var.name
  kms_key = var.kms_key
  labels  = local.labels
}

module "network" {
  source  = "../../modules/network"
  project = module.project.project
  region  = var.region
  name    = var.name
  ranges  = var.ranges
  peers   = var.peers
}

module "pubsub" {
  source        = "../../modules/pubsub"
  project       = module.project.project
  region        = var.region
  pools         = var.pools
  service_agent = module.project.service_agents.pubsub
  viewers       = { build = module.project.build_service_account }
  bigquery      = var.bigquery_location == null ? null : { location = var.bigquery_location }
  kms_key       = var.kms_key
  labels        = local.labels

  events_subscriptions = var.events_subscriptions
  deletion_protection  = var.deletion_protection
}

module "storage" {
  source          = "../../modules/storage"
  project         = module.project.project
  region          = var.region
  name            = var.name
  tenants         = var.tenants
  artifacts_topic = module.pubsub.topics.artifacts

  restore          = { days = var.storage.restore_days, versions = var.storage.restore_versions }
  soft_delete_days = var.storage.soft_delete_days
  lifecycle_days   = { for what, days in var.storage : what => days if !contains(["restore_days", "restore_versions", "soft_delete_days"], what) }

  service_agent = module.project.service_agents.storage
  viewers       = { build = module.project.build_service_account }
  kms_key       = var.kms_key
  labels        = local.labels
}

module "rabbitmq" {
  source              = "../../modules/rabbitmq"
  count               = var.rabbitmq.existing == null ? 1 : 0
  project             = module.project.project
  region              = var.region
  zone                = var.zone
  name                = var.name
  network             = module.network.network.id
  subnet              = module.network.subnets["rabbitmq"]
  bridge_ranges       = [module.network.subnets["functions"].range]
  tenants             = concat([for t in var.tenants : { name = t.name, prefix = t.prefix }], var.rabbitmq.users)
  clusters            = var.rabbitmq.clusters
  machine_type        = var.rabbitmq.machine_type
  disk_gb             = var.rabbitmq.disk_gb
  external            = var.rabbitmq.external
  internal_ranges     = var.rabbitmq.internal_ranges
  internal_ports      = var.rabbitmq.internal_ports
  kms_key             = var.kms_key
  deletion_protection = var.deletion_protection
  labels              = local.labels
}

locals {
  # Where the bridge's AMQP URL is, RabbitMQ's authority, and the AMQP URL of each user, if RabbitMQ is this deployment's.
  rabbitmq_secrets = merge(concat(
    [for r in module.rabbitmq : r.secrets],
    [for e in [var.rabbitmq.existing] : { bridge = e.bridge_secret, ca = e.ca_secret } if e != null],
  )...)

  # Regular expressions of the queues that begin with this deployment's prefixes, or another cluster's.
  ours   = "^(${replace(join("|", var.tenants[*].prefix), ".", "\\.")})"
  theirs = "^(${replace(join("|", flatten(var.rabbitmq.clusters[*].prefixes)), ".", "\\.")})"
}

module "gke" {
  source              = "../../modules/gke"
  project             = module.project.project
  region              = var.region
  name                = var.name
  network             = module.network.network.id
  subnet              = module.network.subnets["nodes"]
  secondary_ranges    = module.network.secondary_ranges
  pools               = var.pools
  gpu_zones           = var.gpu_zones
  authorized_networks = var.authorized_networks
  kms_key             = var.kms_key
  deletion_protection = var.deletion_protection
  labels              = local.labels
}

# Nodes pull the executor's image, and nothing but images.
resource "google_artifact_registry_repository_iam_member" "nodes" {
  project    = var.project
  location   = module.project.registry.location
  repository = module.project.registry.repository
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${module.gke.nodes_service_account}"
}

module "functions" {
  source           = "../../modules/functions"
  project          = module.project.project
  region           = var.region
  name             = var.name
  network          = module.network.network.name
  subnet           = module.network.subnets["functions"].name
  requests         = module.pubsub.requests
  topics           = { events = module.pubsub.topics.events, dead_letters = module.pubsub.topics.dead_letters, reports = module.pubsub.topics.reports }
  service_agents   = module.project.service_agents
  buckets          = { stores = module.storage.stores, metadata = module.storage.metadata }
  rabbitmq_secrets = { bridge = local.rabbitmq_secrets["bridge"], ca = local.rabbitmq_secrets["ca"] }
  queues = {
    match    = var.queue_match != null || var.rabbitmq.existing == null ? var.queue_match : local.ours
    mismatch = var.queue_mismatch != null || length(var.rabbitmq.clusters) == 0 ? var.queue_mismatch : local.theirs
  }
  pools_json            = jsonencode(local.pools)
  tenants_json          = jsonencode(local.tenants)
  clear_text_messages   = var.clear_text_messages
  relay_workers         = var.relay_workers
  relay_instances       = var.relay_instances
  relay_idle            = var.relay_idle
  cluster               = module.gke.cluster.name
  build_service_account = module.project.build_service_account
  deletion_protection   = var.deletion_protection
  labels                = local.labels
}

module "executor" {
  source                = "../../modules/executor"
  project               = module.project.project
  region                = var.region
  name                  = var.name
  requests              = module.pubsub.requests
  topics                = { events = module.pubsub.topics.events, dead_letters = module.pubsub.topics.dead_letters, reports = module.pubsub.topics.reports }
  buckets               = { write = concat(module.storage.stores, module.storage.metadata), read = distinct(flatten(var.tenants[*].buckets)) }
  workload_pool         = module.gke.workload_pool
  pools                 = var.pools
  pools_json            = jsonencode(local.pools)
  tenants_secret        = module.functions.tenants_secret
  clear_text_messages   = var.clear_text_messages
  request_keys_ready    = var.request_keys_ready
  trusted               = var.trusted
  build_service_account = module.project.build_service_account
  deletion_protection   = var.deletion_protection
  labels                = local.labels
}

module "cluster" {
  source              = "../../modules/cluster"
  project             = module.project.project
  pools_json          = jsonencode(local.pools)
  tenants_json        = jsonencode(local.tenants)
  clear_text_messages = var.clear_text_messages
  topics              = { events = module.pubsub.topics.events, dead_letters = module.pubsub.topics.dead_letters, reports = module.pubsub.topics.reports }
  nodes_range         = module.network.subnets["nodes"].range
  node_selector       = module.gke.management_labels
  service_accounts    = { executor = module.executor.service_account, keda = module.executor.keda_service_account }
  build_users         = module.project.build_users
}

module "observability" {
  source                    = "../../modules/observability"
  project                   = module.project.project
  name                      = var.name
  emails                    = var.alert_emails
  requests                  = module.pubsub.requests
  node_pools                = module.gke.node_pools
  jobs                      = module.executor.jobs
  dead_letters_subscription = module.pubsub.dead_letters_subscription
  relay_service             = module.functions.services["relay"]
  relay_worker              = try(module.functions.workers["relay"], null)
  finalize_service          = module.functions.services["finalize"]
  cluster                   = module.gke.cluster.name
  labels                    = local.labels
}

module "budget" {
  source    = "../../modules/budget"
  providers = { google = google.billing }
  project   = module.project.project
  number    = module.project.number
  name      = var.name
  budget    = var.budget
  channels  = module.observability.channels
}

# What a tenant connects to RabbitMQ with: its own AMQP URL, and the authority's certificate. Who may act as the tenant's account
# fetches them, and nobody with more rights hands them out.
resource "google_secret_manager_secret_iam_member" "tenants" {
  for_each = merge([for t in var.rabbitmq.existing == null ? var.tenants : [] : {
    for what, secret in { amqp = t.name, ca = "ca" } : "${t.name} ${what}" => { tenant = t.name, secret = secret }
  }]...)

  project   = module.project.project
  secret_id = local.rabbitmq_secrets[each.value.secret]
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${module.storage.clients[each.value.tenant]}"
}

locals {
  deployment = {
    project             = var.project
    region              = var.region
    name                = var.name
    registry            = module.project.registry.url
    cluster             = module.gke.cluster.name
    pools               = local.machines
    tenants             = local.tenants
    clear_text_messages = var.clear_text_messages
    service_accounts = merge(module.functions.service_accounts, {
      executor = module.executor.service_account
      keda     = module.executor.keda_service_account
      build    = module.project.build_service_account
      nodes    = module.gke.nodes_service_account
    }, { for r in module.rabbitmq : "rabbitmq" => r.service_account })
    topics      = module.pubsub.topics
    requests    = module.pubsub.requests
    services    = module.functions.services
    workers     = module.functions.workers
    jobs        = module.executor.jobs
    signing_key = module.project.signing_key
    secrets = {
      rabbitmq = local.rabbitmq_secrets
      request  = module.executor.request_secrets
      s3       = module.storage.s3_secrets
      tenants  = module.functions.tenants_secret
    }
    config_bucket = module.project.config_bucket
    # Each member is null where RabbitMQ is another's.
    rabbitmq = { address = one(module.rabbitmq[*].address), external = one(module.rabbitmq[*].external_address), instance = one(module.rabbitmq[*].instance.name), zone = one(module.rabbitmq[*].instance.zone) }
  }
}

# From this Cloud Build knows what it deploys to. Names only: nothing in it is secret.
resource "google_storage_bucket_object" "deployment" {
  bucket       = module.project.config_bucket
  name         = "deployment.json"
  content      = jsonencode(local.deployment)
  content_type = "application/json"
}
