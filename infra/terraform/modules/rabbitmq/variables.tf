variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the machine, its subnet and its secrets."
  type        = string
}

variable "zone" {
  description = "Zone of the machine and its disk, for example europe-west4-b; the region's zone b where null."
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
}

variable "network" {
  description = "Id of the network (modules/network)."
  type        = string
}

variable "subnet" {
  description = "The machine's subnet (modules/network): id and range. The machine has the first address that may be used in it."
  type        = object({ id = string, range = string })
}

variable "bridge_ranges" {
  description = "Ranges from which the functions connect (modules/network, subnet functions)."
  type        = list(string)

  validation {
    condition     = length(var.bridge_ranges) > 0 && !contains(var.bridge_ranges, "0.0.0.0/0")
    error_message = "bridge_ranges are those of the functions' subnet."
  }
}

variable "internal_ranges" {
  description = "Ranges of clients in this network, and in those joined with it, that may reach the machine at its internal address."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.internal_ranges : can(cidrhost(r, 0)) && try(tonumber(split("/", r)[1]) >= 8, false)])
    error_message = "internal_ranges are those of your own networks, for example 10.40.0.0/16: who connects from outside is external's matter."
  }
}

variable "internal_ports" {
  description = "What internal_ranges may reach: amqps (5671), management-tls (15671)."
  type        = set(string)
  default     = ["amqps"]

  validation {
    condition     = length(var.internal_ports) > 0 && length(setsubtract(var.internal_ports, ["amqps", "management-tls"])) == 0
    error_message = "internal_ports may hold amqps and management-tls: without TLS, passwords cross the network readable."
  }
}

variable "machine_type" {
  description = "Type of the machine."
  type        = string
  default     = "n1-standard-2"
}

variable "image" {
  description = "Image of the boot disk: a family, so that a machine that is made anew is up to date; what runs is left as it is."
  type        = string
  default     = "projects/debian-cloud/global/images/family/debian-12"

  validation {
    condition     = strcontains(var.image, "debian")
    error_message = "image must be a Debian: the start-up script installs Debian's packages."
  }
}

variable "disk_gb" {
  description = "Size of the data disk with queues and users. It can grow, and never shrink."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_gb >= 10 && var.disk_gb <= 65536
    error_message = "disk_gb must be 10 to 65536."
  }
}

variable "snapshot_days" {
  description = "For how many days each daily snapshot of the data disk is kept."
  type        = number
  default     = 14

  validation {
    condition     = var.snapshot_days >= 1
    error_message = "snapshot_days must be at least 1."
  }
}

variable "tenants" {
  description = "The tenants: each gets a user of its name, whose permissions end at its prefix of queue names."
  type        = list(object({ name = string, prefix = string }))

  validation {
    condition     = alltrue([for t in var.tenants : can(regex("^rmq_[A-Za-z0-9_.-]{0,100}$", t.prefix))])
    error_message = "A tenant's prefix begins with rmq_, which the bridge reads, and goes on with letters, digits, _, . and -."
  }

  validation {
    condition     = length(distinct(var.tenants[*].prefix)) == length(var.tenants) && length(distinct(var.tenants[*].name)) == length(var.tenants)
    error_message = "Two tenants have the same name or the same prefix."
  }

  validation {
    condition     = alltrue([for t in var.tenants : !contains(["bridge", "owner", "guest"], t.name) && !startswith(t.name, "bridge-")])
    error_message = "A tenant cannot be called bridge, owner or guest, nor bridge-…: these are users of RabbitMQ already."
  }
}

variable "clusters" {
  description = <<-EOT
    Other clusters whose bridge serves a part of the queues: a name; the prefixes that are theirs; the range of their functions,
    which reach this network. Each gets a user bridge-<name>, whose permissions end at these prefixes.
  EOT
  type        = list(object({ name = string, prefixes = list(string), range = string }))
  default     = []

  validation {
    condition     = alltrue([for c in var.clusters : can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", c.name))]) && length(distinct(var.clusters[*].name)) == length(var.clusters)
    error_message = "A cluster's name is 1 to 20 of a-z, 0-9 and -, begins with a letter and does not end with -, and no two have the same."
  }

  validation {
    condition     = alltrue([for c in var.clusters : length(c.prefixes) > 0 && alltrue([for p in c.prefixes : can(regex("^rmq_[A-Za-z0-9_.-]{1,100}$", p))])])
    error_message = "A cluster's prefixes begin with rmq_ and go on with letters, digits, _, . and -: rmq_ alone would be all queues, this cluster's too."
  }

  validation {
    condition     = alltrue([for c in var.clusters : can(cidrhost(c.range, 0)) && try(tonumber(split("/", c.range)[1]) >= 16, false)])
    error_message = "A cluster's range is that of its functions' subnet, for example 10.30.16.0/24."
  }
}

variable "external" {
  description = <<-EOT
    For clients outside: an external address, which source_ranges may reach on ports: amqps (5671), management-tls
    (15671), and without TLS amqp (5672) and management (15672). dns_name is the name by which they know the machine, if it
    has one; it is then in the certificate. Null: no external address, and nothing is open.
  EOT
  type = object({
    source_ranges = list(string)
    ports         = optional(set(string), ["amqps"])
    dns_name      = optional(string)
  })
  default = null

  validation {
    condition     = var.external == null || try(length(var.external.source_ranges) > 0 && alltrue([for r in var.external.source_ranges : can(cidrhost(r, 0))]), false)
    error_message = "external.source_ranges must name ranges, for example [\"203.0.113.0/24\"]; leave external out where nobody connects from outside."
  }

  validation {
    condition     = var.external == null || try(length(setsubtract(var.external.ports, ["amqps", "amqp", "management-tls", "management"])) == 0 && length(var.external.ports) > 0, false)
    error_message = "external.ports may hold amqps, management-tls, amqp and management."
  }

  validation {
    condition = var.external == null || try(
      !contains(var.external.source_ranges, "0.0.0.0/0") || length(setintersection(var.external.ports, ["amqp", "management", "management-tls"])) == 0, false
    )
    error_message = "0.0.0.0/0 may reach amqps only: the management API, and anything without TLS, is not for the whole internet. Name the ranges of your people."
  }
}

variable "kms_key" {
  description = "Cloud KMS key of the disks (projects/…/cryptoKeys/…); Google's own where null. Compute Engine's service agent must be allowed to use it."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Keeps the machine from being deleted until this is off."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
