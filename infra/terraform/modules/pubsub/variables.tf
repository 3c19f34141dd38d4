variable "project" {
  description = "Google Cloud project of the topics."
  type        = string
}

variable "region" {
  description = "The only region in which messages are kept: exactly-once delivery holds within a region."
  type        = string
}

variable "pools" {
  description = "The pools, of which only the names matter here."
  type        = list(object({ name = string }))

  validation {
    condition     = length(var.pools) > 0 && length(distinct(var.pools[*].name)) == length(var.pools)
    error_message = "pools must have at least one pool, and each a name of its own."
  }

  validation {
    condition     = alltrue([for p in var.pools : can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", p.name))])
    error_message = "A pool's name is 1 to 40 of a-z, 0-9 and -, begins with a letter and does not end with -."
  }
}

variable "service_agent" {
  description = "Pub/Sub's own service account (service-<number>@gcp-sa-pubsub.iam.gserviceaccount.com), which moves dead letters."
  type        = string
}

variable "viewers" {
  description = "Service accounts that may see how topics and subscriptions are, by a name for each: Cloud Build's, for its smoke test."
  type        = map(string)
  default     = {}
}

variable "max_delivery_attempts" {
  description = <<-EOT
    Deliveries after which Pub/Sub itself gives a request up. Executors count the attempts that failed and dead-letter a
    request themselves, with a reason; this is the net below them. A held request is delivered again and again, so that the
    number is the highest that Pub/Sub takes.
  EOT
  type        = number
  default     = 100

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts must be 5 to 100: Pub/Sub takes no other."
  }
}

variable "events_subscriptions" {
  description = <<-EOT
    Ordered subscriptions on studio-events, for tools that follow experiments: studio-events-NAME for each name here, with who may
    take from it (members such as serviceAccount:dashboard@my-project.iam.gserviceaccount.com).
  EOT
  type        = map(set(string))
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.events_subscriptions) : can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", name)) && name != "bigquery"])
    error_message = "A subscription's name in events_subscriptions is 1 to 40 of a-z, 0-9 and -, begins with a letter, does not end with -, and is not bigquery."
  }

  validation {
    condition     = alltrue([for m in flatten([for members in values(var.events_subscriptions) : tolist(members)]) : can(regex("^(user|group|serviceAccount|principal|principalSet):.+$", m))])
    error_message = "Who takes from events_subscriptions is a member such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com, user:, group:, principal: or principalSet:."
  }
}

variable "bigquery" {
  description = "Keeps every event in BigQuery as well: the data set's id and its location. Null for no such copy."
  type = object({
    dataset         = optional(string, "studio")
    location        = string
    expiration_days = optional(number, 400)
  })
  default = null

  validation {
    condition     = var.bigquery == null || (can(regex("^[A-Za-z0-9_]+$", var.bigquery.dataset)) && try(var.bigquery.expiration_days >= 1, false))
    error_message = "bigquery.dataset has letters, digits and _ only, and expiration_days is at least 1."
  }
}

variable "kms_key" {
  description = "Cloud KMS key for messages and events at rest (projects/…/cryptoKeys/…); Google's own where null. Pub/Sub's service agent, and BigQuery's, must be allowed to use it."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Keeps the table of events from being deleted until this is off."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
