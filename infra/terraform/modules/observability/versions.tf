terraform {
  required_version = ">= 1.5"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8"
      # With user_project_override and billing_project: the API of budgets refuses a person's login without them.
      configuration_aliases = [google.billing]
    }
  }
}
