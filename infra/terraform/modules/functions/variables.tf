variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the functions."
  type        = string
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"
}

variable "network" {
  description = "Name of the network, from which the bridge reaches RabbitMQ."
  type        = string
}

variable "subnet" {
  description = "Name of the functions' subnet."
  type        = string
}

variable "requests" {
  description = "By pool: name of its topic (modules/pubsub)."
  type        = map(string)
}

variable "topics" {
  description = "Names of the topics events, dead_letters and reports (modules/pubsub)."
  type        = object({ events = string, dead_letters = string, reports = string })
}

variable "service_agents" {
  description = "E-mails of Google's own accounts: pubsub and storage (modules/project)."
  type        = object({ pubsub = string, storage = string })
}

variable "buckets" {
  description = "The tenants' stores and the buckets of records that are no stores (modules/storage)."
  type        = object({ stores = list(string), metadata = list(string) })
}

variable "rabbitmq_secrets" {
  description = <<-EOT
    The secrets bridge (AMQP URL) and ca (RabbitMQ's authority; null where the system's authorities know its certificate): names
    of secrets of this project (modules/rabbitmq), or projects/PROJECT/secrets/NAME of another one's.
  EOT
  type        = object({ bridge = string, ca = optional(string) })

  validation {
    condition     = alltrue([for s in values(var.rabbitmq_secrets) : s == null || can(regex("^(projects/[a-z0-9-]+/secrets/)?[A-Za-z0-9_-]{1,255}$", s))])
    error_message = "rabbitmq_secrets are names of secrets, or projects/PROJECT/secrets/NAME."
  }
}

variable "queues" {
  description = <<-EOT
    Which queues this bridge serves, where others serve the rest: match and mismatch are regular expressions (QUEUE_MATCH and
    QUEUE_MISMATCH in docs/settings.md). Null: all that begin with rmq_.
  EOT
  type        = object({ match = optional(string), mismatch = optional(string) })
  default     = {}

  validation {
    condition     = alltrue([for e in values(var.queues) : e == null || try(length(e) > 0 && can(regexall(e, "rmq_")), false)])
    error_message = "queues.match and queues.mismatch are regular expressions such as ^rmq_vision."
  }
}

variable "pools_json" {
  description = "POOLS, as the programs read it."
  type        = string

  validation {
    condition     = can(jsondecode(var.pools_json))
    error_message = "pools_json is JSON."
  }
}

variable "tenants_json" {
  description = "TENANTS, as the programs read it: prefixes, buckets and public keys."
  type        = string

  validation {
    condition     = length(try(jsondecode(var.tenants_json).tenants, [])) > 0
    error_message = "tenants_json must have at least one tenant: the programs take no empty list."
  }
}

variable "clear_text_messages" {
  description = "Lets requests in clear in on queues without a signing key."
  type        = bool
  default     = false
}

variable "relay_schedule" {
  description = "How often the bridge looks for requests (cron; every minute is the finest)."
  type        = string
  default     = "* * * * *"
}

variable "relay_workers" {
  description = <<-EOT
    The bridge as a worker, for clusters where requests come all the time: so many instances are always there, take requests at once,
    and are paid for all month. 0: Cloud Scheduler calls it, and an idle deployment pays for seconds of each minute.
  EOT
  type        = number
  default     = 0

  validation {
    condition     = var.relay_workers >= 0 && floor(var.relay_workers) == var.relay_workers && var.relay_workers <= 100
    error_message = "relay_workers is a whole number of instances, 0 to 100."
  }
}

variable "relay_instances" {
  description = <<-EOT
    Instances of the bridge where it is called: least 0 runs one only while there is work, and for relay_idle of each call; 1 keeps
    one warm, with its CPU, from one call to the next.
  EOT
  type        = object({ least = optional(number, 0), most = optional(number, 4) })
  default     = {}

  validation {
    condition     = var.relay_instances.least >= 0 && var.relay_instances.most >= max(1, var.relay_instances.least)
    error_message = "relay_instances: most is at least 1 and not below least."
  }
}

variable "relay_idle" {
  description = <<-EOT
    How long a run of the bridge waits for a next message before it ends (RELAY_IDLE); null: 5s, 2m where an instance is kept warm,
    1m where it is a worker. It is called every minute: what it waits is what an idle deployment pays for. Alerts learn from each end.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.relay_idle == null || can(regex("^[1-9][0-9]*(s|m)$", var.relay_idle))
    error_message = "relay_idle is a duration such as 5s or 2m."
  }
}

variable "cluster" {
  description = "Name of the cluster: triggers are made after it, when grants hold. Null: at once."
  type        = string
  default     = null
}

variable "build_service_account" {
  description = "E-mail of the account that rolls functions out (modules/project)."
  type        = string
}

variable "deletion_protection" {
  description = "Keeps services from being deleted until this is off."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
