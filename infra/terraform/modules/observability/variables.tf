variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "number" {
  description = "The project's number, by which the budget names it."
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
  description = "By pool: name of its subscription (modules/pubsub)."
  type        = map(string)
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

variable "budget" {
  description = "Monthly budget of the project: the billing account (012345-567890-ABCDEF), the amount, and its currency, which can only be the account's. Null for none."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string)
  })
  default = null

  validation {
    condition     = var.budget == null || (can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)) && try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, false))
    error_message = "budget.billing_account is like 012345-567890-ABCDEF, and amount a whole number of at least 1."
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
