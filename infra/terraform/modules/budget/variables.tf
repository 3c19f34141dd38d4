variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "number" {
  description = "The project's number, by which the budget names it."
  type        = string
}

variable "name" {
  description = "Begins the budget's name."
  type        = string
  default     = "studio"
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

variable "channels" {
  description = "Ids of the notification channels that are told, beside the billing account's administrators (modules/observability); the first five."
  type        = list(string)
  default     = []
}
