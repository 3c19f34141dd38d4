variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "name" {
  description = "Name of the cluster; begins the names of what is made."
  type        = string
  default     = "studio"
}

variable "network" {
  description = "Id of the network (modules/network)."
  type        = string
}

variable "subnet" {
  description = "The nodes' subnet (modules/network): id and range."
  type        = object({ id = string, range = string })
}

variable "secondary_ranges" {
  description = "Of that subnet (modules/network): name and range of pods and of services."
  type = object({
    pods     = object({ name = string, range = string })
    services = object({ name = string, range = string })
  })
}

variable "pools" {
  description = <<-EOT
    The pools, as POOLS has them (docs/settings.md), and for each of kind gke the machine of its nodes. One executor runs on
    each node. machine: type; accelerator (Google's name of the card) for an n1 type, where the card is not built in; zones (those
    of the region that have the card, unless named); spot; max_nodes; disk_gb; local_ssds (the least that the type may have, unless
    given; each 375 GiB); driver of the cards (DEFAULT or LATEST).
  EOT
  type = list(object({
    name    = string
    kind    = string
    gpus    = optional(number, 0)
    gpu_mem = optional(string)
    cpus    = number
    ram     = string
    hdd     = string
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
    condition     = alltrue([for p in var.pools : contains(["gke", "run-job"], p.kind)])
    error_message = "A pool's kind is gke or run-job."
  }

  validation {
    # A node's name holds the cluster's and the pool's; a label's value has 63 characters at most, a node pool's name 40.
    condition     = alltrue([for p in var.pools : can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", p.name)) && p.name != "management"])
    error_message = "A pool's name is 1 to 40 of a-z, 0-9 and -, begins with a letter, does not end with -, and is not management, which the cluster has for itself."
  }

  validation {
    condition     = alltrue([for p in var.pools : can(regex("^[0-9.]+ *[kmgtKMGT]?i?[bB]?$", p.ram)) && can(regex("^[0-9.]+ *[kmgtKMGT]?i?[bB]?$", p.hdd)) && (p.gpus == 0 || can(regex("^[0-9.]+ *[kmgtKMGT]?i?[bB]?$", p.gpu_mem)))])
    error_message = "ram, hdd and, in a pool with gpus, gpu_mem are sizes such as 16gb."
  }

  validation {
    condition     = alltrue([for p in var.pools : p.machine.max_nodes >= 1 && contains(["DEFAULT", "LATEST"], p.machine.driver)])
    error_message = "machine.max_nodes is at least 1, and machine.driver DEFAULT or LATEST."
  }
}

variable "gpu_zones" {
  description = "Replaces or adds lines of the table of cards and their zones (gpus.tf), where Google has moved on: card => zones."
  type        = map(list(string))
  default     = {}
}

variable "release_channel" {
  description = "GKE's release channel."
  type        = string
  default     = "REGULAR"

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE", "EXTENDED"], var.release_channel)
    error_message = "release_channel is RAPID, REGULAR, STABLE or EXTENDED."
  }
}

variable "min_master_version" {
  description = <<-EOT
    Least version of the control plane, for a channel whose default is older than 1.35 (STABLE's was in July 2026, REGULAR's not). Null
    is the channel's default: a version that is named here would one day be too old for a new cluster.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.min_master_version == null || try(tonumber(regex("^1\\.([0-9]+)(\\.|$)", var.min_master_version)[0]) >= 35, false)
    error_message = "min_master_version is 1.35 or later, such as 1.35 or 1.35.8-gke.1036000: older versions do not know the scalers' tolerance."
  }
}

variable "maintenance" {
  description = <<-EOT
    When GKE may change the cluster: a window (start and end in RFC 3339, recurrence as in RFC 5545), and exclusions, which
    keep nodes from being upgraded between two dates. An upgrade drains a node: experiments are saved and go on elsewhere.
  EOT
  type = object({
    start      = optional(string, "2026-01-03T04:00:00Z")
    end        = optional(string, "2026-01-03T12:00:00Z")
    recurrence = optional(string, "FREQ=WEEKLY;BYDAY=SA,SU")
    exclusions = optional(map(object({ start = string, end = string })), {})
  })
  default = {}

  validation {
    condition     = alltrue([for t in concat([var.maintenance.start, var.maintenance.end], flatten([for e in values(var.maintenance.exclusions) : [e.start, e.end]])) : can(formatdate("YYYY", t))])
    error_message = "Times of maintenance are written as 2026-01-03T04:00:00Z."
  }
}

variable "authorized_networks" {
  description = <<-EOT
    Ranges that may reach the control plane's address, by a name for each. With none, the address is closed and the cluster is
    reached by its DNS name, where IAM alone decides: that is how Cloud Build deploys.
  EOT
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for r in values(var.authorized_networks) : can(cidrhost(r, 0)) && r != "0.0.0.0/0"])
    error_message = "authorized_networks are ranges such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "kms_key" {
  description = "Cloud KMS key for Kubernetes' secrets and the nodes' disks (projects/…/cryptoKeys/…); Google's own where null. GKE's and Compute Engine's service agents must be allowed to use it."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Keeps the cluster from being deleted until this is off."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
