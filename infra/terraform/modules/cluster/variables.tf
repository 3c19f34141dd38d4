variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "pools_json" {
  description = "POOLS (docs/settings.md), as JSON."
  type        = string

  validation {
    condition     = can(jsondecode(var.pools_json)[0])
    error_message = "pools_json is a JSON list with a pool at least."
  }
}

variable "tenants_json" {
  description = "TENANTS (docs/settings.md), as JSON. Executors read it again within about a minute."
  type        = string

  validation {
    condition     = can(jsondecode(var.tenants_json))
    error_message = "tenants_json is not JSON."
  }
}

variable "clear_text_messages" {
  description = "Lets requests in clear run on queues without a signing key."
  type        = bool
  default     = false
}

variable "topics" {
  description = "Names of the topics (modules/pubsub): events, dead_letters and reports."
  type        = object({ events = string, dead_letters = string, reports = string })
}

variable "nodes_range" {
  description = "The nodes' range, in which the control plane has its address."
  type        = string

  validation {
    condition     = can(cidrhost(var.nodes_range, 0))
    error_message = "nodes_range is a range such as 10.20.0.0/20."
  }
}

variable "node_selector" {
  description = "Labels of the nodes on which KEDA runs (modules/gke: management)."
  type        = map(string)
}

variable "service_accounts" {
  description = "E-mails of Google's service accounts of executors and of KEDA."
  type        = object({ executor = string, keda = string })
}

variable "build_users" {
  description = "Who Cloud Build is to Kubernetes: its account's e-mail, and its unique id where a token does not tell the e-mail."
  type        = list(string)
}

variable "keda_version" {
  description = "Version of KEDA's chart, which is KEDA's own. The manifests are checked with the schema of 2.21."
  type        = string
  default     = "2.21.0"

  validation {
    condition     = can(regex("^2\\.[0-9]+\\.[0-9]+$", var.keda_version))
    error_message = "keda_version is a whole version such as 2.21.0."
  }
}
