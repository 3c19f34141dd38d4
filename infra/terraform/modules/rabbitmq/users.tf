# RabbitMQ's users and what each may do. A tenant's client declares StudioML.topic (durable, auto-delete), its queue and the
# binding of both itself, publishes, and reads its response queue: exactly that is allowed, and for names with its prefix only.
#
# Another tenant's longer prefix is left out of a shorter one (rmq_ and rmq_vision). Topic permissions hold where queue
# permissions do not: without them a tenant could bind its own queue to everybody's routing keys, or publish to anybody's queue.
# No wildcard may stand in a key, so that `StudioML.rmq_a.*` does not take in what rmq_a.b has.
#
# What permissions cannot do: a tenant can route through exchanges of its own, or dead-letter a queue of its own, into
# StudioML.topic, and so bring a message into another's queue (never read one). Signing keys close this: a prefix that has one
# takes no message that its owner has not signed. README.md says so to owners.

locals {
  longer = { for t in var.tenants : t.name => [for o in var.tenants : replace(trimprefix(o.prefix, t.prefix), ".", "\\.")
  if o.name != t.name && startswith(o.prefix, t.prefix)] }

  # A regular expression of the names that begin with the tenant's prefix and with no longer one of another's.
  own = { for t in var.tenants : t.name =>
    "${replace(t.prefix, ".", "\\.")}${length(local.longer[t.name]) == 0 ? "" : "(?!${join("|", sort(local.longer[t.name]))})"}"
  }

  # The management API is on the AMQP port + 10000, where the bridge looks for it.
  inside  = "${local.address}:5671/%2f"
  outside = "${var.external == null ? local.address : coalesce(var.external.dns_name, google_compute_address.external["this"].address)}:5671/%2f"

  # This cluster's bridge, and those of others, whose permissions end at their parts.
  bridges = merge({ bridge = ["rmq_"] }, { for c in var.clusters : "bridge-${c.name}" => c.prefixes })

  users = concat(
    [for name, prefixes in local.bridges : {
      name    = name
      secret  = "projects/${var.project}/secrets/${var.name}-amqp-${name}"
      address = "${local.inside}?cacertfile=/etc/studio/rabbitmq/ca.pem"
      tags    = ["monitoring"]
      permissions = {
        configure   = "^$"
        read        = "^(${replace(join("|", prefixes), ".", "\\.")})"
        write       = "^StudioML\\.topic$"
        topic_read  = "^$"
        topic_write = "^StudioML\\.(${replace(join("|", prefixes), ".", "\\.")}).*_response$"
      }
    }],
    [
      {
        name    = "owner"
        secret  = "projects/${var.project}/secrets/${var.name}-amqp-owner"
        address = local.outside
        tags    = ["administrator"]
        permissions = {
          configure   = ".*"
          read        = ".*"
          write       = ".*"
          topic_read  = ".*"
          topic_write = ".*"
        }
      },
    ],
    [for t in var.tenants : {
      name    = t.name
      secret  = "projects/${var.project}/secrets/${var.name}-amqp-${t.name}"
      address = local.outside
      tags    = []
      permissions = {
        configure   = "^(StudioML\\.topic$|${local.own[t.name]})"
        read        = "^(StudioML\\.topic$|${local.own[t.name]})"
        write       = "^(StudioML\\.topic$|${local.own[t.name]})"
        topic_read  = "^StudioML\\.${local.own[t.name]}[^*#]*$"
        topic_write = "^StudioML\\.${local.own[t.name]}[^*#]*$"
      }
    }],
  )

  secrets = toset(concat([for u in local.users : "amqp-${u.name}"], ["rabbitmq-ca"]))
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  project   = var.project
  secret_id = "${var.name}-${each.key}"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

# No secret: what stands there until the machine has made a password, so that whoever mounts the secret finds a version. The
# machine adds versions, which Terraform does not know of; this first one stays as it is.
resource "google_secret_manager_secret_version" "first" {
  for_each = google_secret_manager_secret.this

  secret      = each.value.id
  secret_data = "not yet written by RabbitMQ's machine"

  lifecycle {
    ignore_changes = [enabled]
  }
}
