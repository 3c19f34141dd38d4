variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"
}

variable "emails" {
  description = "Who is told of alerts."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for e in var.emails : can(regex("^[^@ ]+@[^@ ]+$", e))])
    error_message = "emails are addresses such as ops@example.org."
  }
}

variable "requests" {
  description = "By pool: name of its topic, which is its subscription's too (modules/pubsub)."
  type        = map(string)
}

variable "node_pools" {
  description = "By pool of kind gke: how many cards an executor has, of which type, and whether its nodes are spot (modules/gke)."
  type        = map(object({ gpus = optional(number, 0), gpu_type = optional(string), spot = optional(bool, true) }))
  default     = {}
}

variable "jobs" {
  description = "By pool of kind run-job: name of its job (modules/executor)."
  type        = map(string)
  default     = {}
}

variable "dead_letters_subscription" {
  description = "Name of the subscription that holds dead letters (modules/pubsub)."
  type        = string
}

variable "reports_subscription" {
  description = "Name of the push subscription of reports (modules/functions)."
  type        = string
  default     = "studio-reports"
}

variable "relay_service" {
  description = "Name of the service relay (modules/functions)."
  type        = string
}

variable "relay_worker" {
  description = "Name of the worker pool relay, where the bridge is one (modules/functions); null where the service is called."
  type        = string
  default     = null
}

variable "finalize_service" {
  description = "Name of the service finalize (modules/functions)."
  type        = string
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "oldest_hours" {
  description = <<-EOT
    How long the oldest request of a pool may be without its end. A request that runs is unacknowledged all the time, so that
    this is longer than experiments run; requests are gone after 31 days.
  EOT
  type        = number
  default     = 168

  validation {
    condition     = var.oldest_hours >= 1 && var.oldest_hours <= 700
    error_message = "oldest_hours must be 1 to 700: after 31 days (744 hours) the request is gone."
  }
}

variable "runbooks" {
  description = "Where the runbooks are, which alerts lead to."
  type        = string
  default     = "https://github.com/leaf-ai/studio-cloud-runner/blob/main/docs/runbooks"
}

variable "labels" {
  description = "Labels of all resources that have labels."
  type        = map(string)
  default     = {}
}
