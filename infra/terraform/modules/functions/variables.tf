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
  description = "Names of the secrets bridge (AMQP URL) and ca (authority), of modules/rabbitmq."
  type        = object({ bridge = string, ca = string })
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

variable "relay_instances" {
  description = <<-EOT
    The bridge's instances: least 0 runs one only while there is work, and for half a minute of each; 1 keeps one warm with its
    CPU, the worker form for clusters where requests come all the time: there is then always one that takes them at once.
  EOT
  type        = object({ least = optional(number, 0), most = optional(number, 4) })
  default     = {}

  validation {
    condition     = var.relay_instances.least >= 0 && var.relay_instances.most >= max(1, var.relay_instances.least)
    error_message = "relay_instances: most is at least 1 and not below least."
  }
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
