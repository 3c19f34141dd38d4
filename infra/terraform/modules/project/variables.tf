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

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
