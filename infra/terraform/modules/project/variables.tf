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

variable "keep_images" {
  description = "How many of an image's latest versions the registry keeps; older ones go after 30 days."
  type        = number
  default     = 20

  validation {
    condition     = var.keep_images >= 2
    error_message = "keep_images must be at least 2: one runs, and one to go back to."
  }
}

variable "kms_key" {
  description = "Cloud KMS key of what is kept (projects/…/locations/REGION/keyRings/…/cryptoKeys/…), which Google's service agents are let use; null for Google's own keys."
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
