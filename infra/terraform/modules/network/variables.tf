variable "project" {
  description = "Google Cloud project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is the project's id (6 to 30 of a-z, 0-9 and -), not its name or number."
  }
}

variable "region" {
  description = "Region of the subnets, for example europe-west4."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region such as europe-west4, not a zone such as europe-west4-b."
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

variable "ranges" {
  description = <<-EOT
    IPv4 ranges, none of which may overlap another: nodes, pods and services of the cluster; functions, from which Cloud Run
    reaches RabbitMQ; rabbitmq, the virtual machine's. A cluster keeps its pod range for life: choose it for the most nodes
    that there may ever be (modules/gke checks that the pools fit).
  EOT
  type = object({
    nodes     = optional(string, "10.20.0.0/20")
    functions = optional(string, "10.20.16.0/24")
    rabbitmq  = optional(string, "10.20.17.0/28")
    services  = optional(string, "10.20.32.0/20")
    pods      = optional(string, "10.24.0.0/16")
  })
  default = {}

  validation {
    condition     = alltrue([for r in values(var.ranges) : can(cidrhost(r, 0)) && try(cidrhost(r, 0) == split("/", r)[0], false)])
    error_message = "Each of ranges is written as its first address and its length, for example 10.20.0.0/20."
  }

  validation {
    # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc
    condition     = try(tonumber(split("/", var.ranges.functions)[1]) <= 26, false)
    error_message = "ranges.functions must be a /26 or larger: Cloud Run takes no smaller subnet for direct VPC egress."
  }

  validation {
    condition     = try(tonumber(split("/", var.ranges.rabbitmq)[1]) <= 29, false)
    error_message = "ranges.rabbitmq must be a /29 or larger: no smaller subnet can be made."
  }
}

variable "peers" {
  description = <<-EOT
    Networks that this one is joined with, by a name for each: projects/PROJECT/global/networks/NAME. Each side joins the other;
    ranges, the pods' too, must not overlap between them.
  EOT
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, n in var.peers : can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", name)) && can(regex("^projects/[a-z][a-z0-9-]+/global/networks/[a-z][a-z0-9-]*$", n))])
    error_message = "peers are names of a-z, 0-9 and -, and networks such as projects/another-project/global/networks/studio."
  }
}

variable "flow_log_sampling" {
  description = "Share of the subnets' connections that is logged, 0 for none. Flow logs are paid for by size."
  type        = number
  default     = 0.1

  validation {
    condition     = var.flow_log_sampling >= 0 && var.flow_log_sampling <= 1
    error_message = "flow_log_sampling is a share between 0 and 1."
  }
}
