variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of secrets and jobs."
  type        = string
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"
}

variable "requests" {
  description = "By pool: name of its subscription (modules/pubsub)."
  type        = map(string)
}

variable "topics" {
  description = "Names of the topics events, dead_letters and reports (modules/pubsub)."
  type        = object({ events = string, dead_letters = string, reports = string })
}

variable "buckets" {
  description = "Buckets that executors write (stores and metadata), and further ones that they only read."
  type        = object({ write = list(string), read = optional(list(string), []) })
}

variable "workload_pool" {
  description = "Workload Identity's pool (modules/gke); null without a cluster."
  type        = string
  default     = null
}

variable "pools" {
  description = <<-EOT
    The pools, as POOLS has them; those of kind run-job become Cloud Run jobs. Their disk is memory: a task has ram and hdd
    together, at most 32 GiB. machine: max_nodes is the most tasks at once.
  EOT
  type = list(object({
    name    = string
    kind    = string
    gpus    = optional(number, 0)
    cpus    = number
    ram     = string
    hdd     = string
    machine = optional(object({ max_nodes = optional(number, 10) }), {})
  }))
}

variable "pools_json" {
  description = "POOLS, as the programs read it."
  type        = string

  validation {
    condition     = can(jsondecode(var.pools_json))
    error_message = "pools_json is JSON."
  }
}

variable "tenants_secret" {
  description = "Name of the secret with TENANTS (modules/functions)."
  type        = string
}

variable "clear_text_messages" {
  description = "Lets requests in clear run on queues without a signing key."
  type        = bool
  default     = false
}

variable "request_keys_ready" {
  description = "True once the secrets of the request key and its passphrase have a version: only then can jobs mount them."
  type        = bool
  default     = false
}

variable "trusted" {
  description = <<-EOT
    True where everybody who submits may do what the executor may, which is what pools of jobs are for: on Cloud Run experiments can ask
    the metadata server for the executor's token (docs/adr/0002-metadata-guard.md). Without it a pool of kind run-job is refused.
  EOT
  type        = bool
  default     = false
}

variable "start_schedule" {
  description = "How often a pool of jobs is looked at for work (cron)."
  type        = string
  default     = "*/2 * * * *"
}

variable "build_service_account" {
  description = "E-mail of the account that rolls jobs out (modules/project)."
  type        = string
}

variable "deletion_protection" {
  description = "Keeps jobs and workflows from being deleted until this is off."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
