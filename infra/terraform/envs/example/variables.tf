variable "project" {
  description = "Google Cloud project: its id. It exists already and has billing. It holds this deployment and no other."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is the project's id (6 to 30 of a-z, 0-9 and -), not its name or number."
  }
}

variable "region" {
  description = "Region of everything, for example europe-west4. It must have the cards that the pools name."
  type        = string
}

variable "zone" {
  description = "Zone of RabbitMQ's machine; the region's zone b, unless named. Its disk stays in the zone that it was made in."
  type        = string
  default     = null

  validation {
    condition     = var.zone == null || can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "zone is a zone such as europe-west4-b."
  }
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$", var.name))
    error_message = "name must be 1 to 15 of a-z, 0-9 and -, begin with a letter and not end with -: names made of it may have 30 characters at most."
  }
}

variable "pools" {
  description = <<-EOT
    The pools, smallest first, as POOLS has them (docs/settings.md): name, kind (gke or run-job) and what one executor has.
    machine is for the machines only (modules/gke): type, accelerator, zones, spot, max_nodes, disk_gb, local_ssds, driver.
    Topics, subscriptions, node pools, jobs, scalers, routing and admission all follow from this list.
  EOT
  type = list(object({
    name      = string
    kind      = optional(string, "gke")
    gpus      = optional(number, 0)
    gpu_slots = optional(number)
    gpu_mem   = optional(string)
    cpus      = number
    ram       = string
    hdd       = string
    machine = optional(object({
      type        = optional(string, "n1-standard-4")
      accelerator = optional(string)
      zones       = optional(list(string))
      spot        = optional(bool, true)
      max_nodes   = optional(number, 10)
      disk_gb     = optional(number, 200)
      local_ssds  = optional(number)
      driver      = optional(string, "DEFAULT")
    }), {})
  }))

  validation {
    condition     = length(var.pools) > 0 && length(distinct(var.pools[*].name)) == length(var.pools)
    error_message = "pools must have at least one pool, and each a name of its own."
  }

  validation {
    condition     = alltrue([for p in var.pools : (p.gpus > 0) == (p.gpu_mem != null) && (p.gpus > 0 || p.gpu_slots == null)])
    error_message = "A pool with gpus needs gpu_mem, and one without has neither gpu_mem nor gpu_slots."
  }

  validation {
    condition     = alltrue([for p in var.pools : p.cpus >= 1 && floor(p.cpus) == p.cpus && p.gpus >= 0 && floor(p.gpus) == p.gpus && try(p.gpu_slots >= 1, true)])
    error_message = "cpus, gpus and gpu_slots are whole numbers; cpus and gpu_slots at least 1."
  }
}

variable "tenants" {
  description = <<-EOT
    The tenants, as TENANTS has them (docs/tenants.md): whose the queues of a prefix are, with their buckets and public keys;
    name, after which the user of RabbitMQ and a service account are called; s3 for an HMAC key. The stores and metadata
    buckets are made; buckets, which may be read too, exist already.
  EOT
  type = list(object({
    name         = string
    prefix       = string
    store        = string
    metadata     = string
    buckets      = optional(list(string), [])
    signing_keys = optional(list(string), [])
    report_key   = optional(string)
    s3           = optional(bool, false)
  }))

  validation {
    condition     = length(var.tenants) > 0
    error_message = "tenants must have at least one: nobody could submit."
  }

  validation {
    condition     = alltrue([for k in flatten(var.tenants[*].signing_keys) : can(regex("^ssh-ed25519 [A-Za-z0-9+/]{60,}=*( .*)?$", k))])
    error_message = "signing_keys are public keys, each one line that begins with ssh-ed25519."
  }

  validation {
    condition     = alltrue([for t in var.tenants : t.report_key == null || can(regex("^(ssh-rsa [A-Za-z0-9+/=]{200,}|-----BEGIN (RSA )?PUBLIC KEY-----)", t.report_key))])
    error_message = "report_key is an RSA public key: a line that begins with ssh-rsa, or PEM. A private key must never stand here."
  }
}

variable "clear_text_messages" {
  description = "Lets requests in clear run on queues without a signing key."
  type        = bool
  default     = false
}

variable "request_keys_ready" {
  description = "True once the secrets of the request key and its passphrase have a version; pools of jobs need it to open sealed requests."
  type        = bool
  default     = false
}

variable "trusted" {
  description = <<-EOT
    True where everybody who submits may do what executors may: pools of kind run-job need it, since nothing on Cloud Run keeps
    experiments from the executor's token (docs/adr/0002-metadata-guard.md). Pools of kind gke keep them from it in any case.
  EOT
  type        = bool
  default     = false
}

variable "ranges" {
  description = "IPv4 ranges of the network (modules/network). The pod range cannot be changed later."
  type = object({
    nodes     = optional(string, "10.20.0.0/20")
    functions = optional(string, "10.20.16.0/24")
    rabbitmq  = optional(string, "10.20.17.0/28")
    services  = optional(string, "10.20.32.0/20")
    pods      = optional(string, "10.24.0.0/16")
  })
  default = {}
}

variable "rabbitmq" {
  description = <<-EOT
    RabbitMQ's machine (modules/rabbitmq): its type, disk_gb; external, which opens it to ranges outside; internal_ranges, of
    clients in this network and in peers, which reach amqps at its internal address, and internal_ports, if management-tls is to
    be open to them too. Where it serves other clusters too: clusters, whose bridges get users of their own, and users, who submit
    to queues of a prefix that another cluster serves. existing is a RabbitMQ that somebody else runs, in place of a machine: the
    secrets with the bridge's AMQP URL and, unless the system's authorities know its certificate, the authority's; names, or
    projects/PROJECT/secrets/NAME.
  EOT
  type = object({
    machine_type = optional(string, "n1-standard-2")
    disk_gb      = optional(number, 20)
    external = optional(object({
      source_ranges = list(string)
      ports         = optional(set(string), ["amqps"])
      dns_name      = optional(string)
    }))
    internal_ranges = optional(list(string), [])
    internal_ports  = optional(set(string), ["amqps"])

    clusters = optional(list(object({ name = string, prefixes = list(string), range = string })), [])
    users    = optional(list(object({ name = string, prefix = string })), [])
    existing = optional(object({ bridge_secret = string, ca_secret = optional(string) }))
  })
  default = {}

  validation {
    condition     = var.rabbitmq.existing == null || (var.rabbitmq.external == null && length(var.rabbitmq.internal_ranges) + length(var.rabbitmq.clusters) + length(var.rabbitmq.users) == 0)
    error_message = "rabbitmq.existing is another's RabbitMQ: external, internal_ranges, clusters and users are said where it is made."
  }
}

variable "queue_match" {
  description = <<-EOT
    Regular expression of the queues that this deployment's bridge serves (QUEUE_MATCH). Null: all that begin with rmq_; with
    rabbitmq.existing, those that begin with a tenant's prefix.
  EOT
  type        = string
  default     = null
}

variable "queue_mismatch" {
  description = "Regular expression of the queues that it leaves to others (QUEUE_MISMATCH). Null: those of rabbitmq.clusters."
  type        = string
  default     = null
}

variable "peers" {
  description = <<-EOT
    Networks that this one is joined with, by a name for each: projects/PROJECT/global/networks/NAME. The other side joins this
    one likewise, and no ranges may overlap.
  EOT
  type        = map(string)
  default     = {}
}

variable "relay_workers" {
  description = "The bridge as a worker (modules/functions): so many instances are always there and take requests at once. 0: it is called every minute."
  type        = number
  default     = 0
}

variable "relay_instances" {
  description = "Instances of the bridge where it is called (modules/functions): least = 1 keeps one warm from one call to the next."
  type        = object({ least = optional(number, 0), most = optional(number, 4) })
  default     = {}
}

variable "relay_idle" {
  description = "How long a run of the bridge waits for a next message (RELAY_IDLE); null: 5s, 2m with relay_instances.least above 0, 1m with relay_workers."
  type        = string
  default     = null
}

variable "storage" {
  description = <<-EOT
    What is kept how long in the buckets (modules/storage): restore_days, for which what was deleted or overwritten in a store can be
    brought back, at most restore_versions of an object that is still there; soft_delete_days, for which every overwritten
    checkpoint is kept, too (0, or 7 to 90); days after which older versions of records go, blobs that clients upload again go, and
    results become Nearline and Coldline, where null leaves them as they are. Results are never deleted.
  EOT
  type = object({
    restore_days     = optional(number, 7)
    restore_versions = optional(number, 2)
    soft_delete_days = optional(number, 0)
    record_versions  = optional(number, 30)
    blobs            = optional(number)
    nearline         = optional(number, 60)
    coldline         = optional(number)
  })
  default = {}
}

variable "gpu_zones" {
  description = "Overrides the table of cards and their zones (modules/gke): card => zones."
  type        = map(list(string))
  default     = {}
}

variable "authorized_networks" {
  description = "Ranges that may reach the control plane's address (modules/gke); with none it is reached by its DNS name and IAM."
  type        = map(string)
  default     = {}
}

variable "bigquery_location" {
  description = "Location of a BigQuery table that keeps every event, for example EU, or with kms_key the region; null for none."
  type        = string
  default     = null
}

variable "events_subscriptions" {
  description = "Ordered subscriptions on studio-events for tools that follow experiments: name => members who may take from it (modules/pubsub)."
  type        = map(set(string))
  default     = {}
}

variable "alert_emails" {
  description = "Who is told of alerts."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "Monthly budget: billing account and amount, in the account's currency; null for none."
  type        = object({ billing_account = string, amount = number, currency = optional(string) })
  default     = null
}

variable "kms_key" {
  description = "Cloud KMS key for buckets, topics, images, events, disks and Kubernetes' secrets, in the region; Google's own keys where null. Chosen before the first apply."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Keeps cluster, services and RabbitMQ's machine from being deleted. Turn it off, and apply, before terraform destroy."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
