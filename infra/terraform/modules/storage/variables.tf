variable "project" {
  description = "Google Cloud project of the buckets."
  type        = string
}

variable "region" {
  description = "Region of the buckets: the executors', so that nobody pays for traffic between regions."
  type        = string
}

variable "name" {
  description = "Begins the names of what is made."
  type        = string
  default     = "studio"
}

variable "tenants" {
  description = <<-EOT
    The tenants: name, store and metadata (names of buckets, made here; tenants may share a store and then share its metadata
    bucket), buckets (further ones that exist already and may be read), and s3, which makes HMAC keys for clients that
    speak S3's protocol.
  EOT
  type = list(object({
    name     = string
    store    = string
    metadata = string
    buckets  = optional(list(string), [])
    s3       = optional(bool, false)
  }))

  validation {
    condition     = length(distinct(var.tenants[*].name)) == length(var.tenants)
    error_message = "Two tenants have the same name."
  }

  validation {
    # <name>-t-<tenant> is a service account's id, of 30 characters at most.
    condition     = alltrue([for t in var.tenants : can(regex("^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$", t.name))])
    error_message = "A tenant's name is 1 to 12 of a-z, 0-9 and -, begins with a letter and does not end with -: a service account is named after it."
  }

  validation {
    # https://cloud.google.com/storage/docs/buckets#naming, without the dots that need a verified domain
    condition = alltrue([for b in flatten([for t in var.tenants : [t.store, t.metadata]]) :
      can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", b)) && !startswith(b, "goog")
    ])
    error_message = "A bucket's name is 3 to 63 of a-z, 0-9, - and _, begins and ends with a letter or a digit, and not with goog."
  }

  validation {
    condition = alltrue([for store in distinct(var.tenants[*].store) :
      length(distinct([for t in var.tenants : t.metadata if t.store == store])) == 1
    ])
    error_message = "Tenants that share a store must share its metadata bucket too: records are found by the store."
  }
}

variable "artifacts_topic" {
  description = "Topic (its name) that is told of every new and deleted object of the stores, for tools downstream."
  type        = string
}

variable "service_agent" {
  description = "Cloud Storage's own service account (service-<number>@gs-project-accounts.iam.gserviceaccount.com), which sends these notices."
  type        = string
}

variable "viewers" {
  description = "Service accounts that may see the stores' settings, and no object, by a name for each: Cloud Build's, for its smoke test."
  type        = map(string)
  default     = {}
}

variable "restore" {
  description = <<-EOT
    For how many days what was deleted or overwritten in a store can be brought back, and how many earlier versions of an object
    that is still there are kept at most.
  EOT
  type        = object({ days = optional(number, 7), versions = optional(number, 2) })
  default     = {}

  validation {
    condition     = alltrue([for n in values(var.restore) : try(n >= 1 && floor(n) == n, false)])
    error_message = "restore.days and restore.versions are whole numbers, at least 1."
  }
}

variable "soft_delete_days" {
  description = "For how many days a store keeps what even its versions do not: each overwritten checkpoint. 0, or 7 to 90."
  type        = number
  default     = 0

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "soft_delete_days must be 0 or 7 to 90: Cloud Storage takes no other."
  }
}

variable "lifecycle_days" {
  description = <<-EOT
    Days after which: older versions of records go; blobs, the immutable artifacts that clients upload again when they are
    missing, go (null keeps them); results (experiments/) become Nearline, and Coldline (null leaves them). Results are never
    deleted.
  EOT
  type = object({
    record_versions = optional(number, 30)
    blobs           = optional(number)
    nearline        = optional(number, 60)
    coldline        = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for d in values(var.lifecycle_days) : d == null || try(d >= 1 && floor(d) == d, false)])
    error_message = "lifecycle_days are whole numbers of days, at least 1."
  }

  validation {
    condition     = try(var.lifecycle_days.coldline > var.lifecycle_days.nearline, true)
    error_message = "lifecycle_days.coldline must come after nearline."
  }
}

variable "force_destroy" {
  description = "Lets terraform destroy delete buckets with what is in them. Leave it off but for trials."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "Cloud KMS key of objects at rest (projects/…/cryptoKeys/…, in the buckets' region); Google's own where null. Cloud Storage's service agent must be allowed to use it."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of all resources."
  type        = map(string)
  default     = {}
}
