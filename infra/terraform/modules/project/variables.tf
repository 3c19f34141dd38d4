variable "project" {
  description = "Google Cloud project, which exists already and has billing."
  type        = string
}

variable "region" {
  description = "Region of the registry and the buckets."
  type        = string
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$", var.name))
    error_message = "name must be 1 to 15 of a-z, 0-9 and -, begin with a letter and not end with -."
  }
}

variable "keep_builds" {
  description = <<-EOT
    The images of how many of the latest builds the registry keeps, builds that failed after their push among them; older ones go after
    30 days. What runs must be among them: more, where people build all day and roll out rarely.
  EOT
  type        = number
  default     = 50

  validation {
    condition     = var.keep_builds >= 2 && floor(var.keep_builds) == var.keep_builds
    error_message = "keep_builds is a whole number of at least 2: one runs, and one to go back to."
  }
}

variable "kms_key" {
  description = <<-EOT
    Cloud KMS key of what is kept (projects/…/locations/REGION/keyRings/…/cryptoKeys/…), which Google's service agents are let use;
    null for Google's own keys. Chosen before the first apply: a registry that gets one later is made anew, and its images are gone.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key is the key's whole name: projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY."
  }
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
