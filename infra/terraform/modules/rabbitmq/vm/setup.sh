#!/usr/bin/env bash
# Makes a Debian machine on Compute Engine the deployment's RabbitMQ. It is the machine's start-up script, so it runs at every
# boot and changes only what differs; `sudo google_metadata_script_runner startup` runs it by hand. It hands itself to systemd, which
# runs it again every two minutes until it has worked once: what it needs may come later than the machine.
#
#   setup.sh              hands itself to systemd, and waits for the first try
#   setup.sh all          all of it, once
#   setup.sh packages     installs Debian's packages only
#   setup.sh config       writes RabbitMQ's configuration only; ends with 10 if it differs from what was there
#   setup.sh certificate  renews the server's certificate where that is due only; ends with 10 if it did
#
# Everything that must outlive the machine is on the data disk: queues, users, the authority that signs certificates.
set -euo pipefail

readonly metadata=${METADATA_URL:-http://metadata.google.internal/computeMetadata/v1}
readonly root=${STUDIO_ROOT:-} # a folder instead of / in tests
readonly etc=$root/etc/rabbitmq
readonly data=/var/lib/rabbitmq
readonly tls=$root$data/tls
readonly changed=10

attribute() {
  curl --fail --silent --show-error --retry 10 --retry-all-errors --retry-delay 2 \
    -H 'Metadata-Flavor: Google' "$metadata/instance/attributes/$1"
}

# The data disk holds ext4 without partitions, which grows with the disk. mkfs asks before it overwrites anything; here
# nobody answers, so it does not.
mount_data() {
  local disk=/dev/disk/by-id/google-data
  if [ -z "$(lsblk --noheadings --output FSTYPE "$disk")" ]; then
    mkfs.ext4 -q -m 0 -L studio-data "$disk" </dev/null
  fi
  mkdir -p "$data"
  grep -q "^LABEL=studio-data" /etc/fstab || echo "LABEL=studio-data $data ext4 defaults,discard 0 2" >>/etc/fstab
  mountpoint -q "$data" || mount "$data"
  resize2fs "$disk" >/dev/null
}

# apt-get waits for a lock that Debian's own daily run holds, tries each download again, and calls it a fault if an index is missing.
apt() {
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 -o APT::Update::Error-Mode=any "$@"
}

# What a reboot in the middle of an installation left half done is finished first.
fetch() {
  local try
  for try in 1 2 3 4 5; do
    if dpkg --configure -a && apt update && apt install --no-install-recommends "$@"; then
      return 0
    fi
    echo "setup.sh: packages are not installed after try $try of 5" >&2
    sleep 20
  done
  echo "setup.sh: cannot install $*: apt's messages above say why. Without an external address the machine reaches Debian by Cloud NAT only." >&2
  return 1
}

# Debian starts a server as soon as it is installed, with guest and without TLS; policy-rc.d keeps it from doing so.
install_packages() {
  local missing=() package
  for package in rabbitmq-server openssl python3 curl ca-certificates unattended-upgrades; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  mkdir -p "$root/usr/sbin"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  trap 'rm -f "$root/usr/sbin/policy-rc.d"' RETURN
  export DEBIAN_FRONTEND=noninteractive
  fetch "${missing[@]}" || return 1
}

# write FILE writes what it is given, and sets different=yes where the file held something else.
write() {
  mkdir -p "$(dirname "$1")"
  cat >"$1.new"
  if cmp -s "$1.new" "$1"; then
    rm "$1.new"
  else
    mv "$1.new" "$1"
    different=yes
  fi
}

configure() {
  local different=no plain asked
  asked=$(attribute studio-plain)
  plain=127.0.0.1
  # Only where it is asked for: without TLS, passwords cross the network readable.
  [ "$asked" != true ] || plain=0.0.0.0
  write "$etc/rabbitmq.conf" <<CONF
# Written by the machine's start-up script at every boot.
listeners.tcp.local = $plain:5672
listeners.ssl.default = 5671
ssl_options.cacertfile = $tls/ca.pem
ssl_options.certfile = $tls/server.pem
ssl_options.keyfile = $tls/server.key
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false

management.tcp.ip = $plain
management.tcp.port = 15672
management.ssl.port = 15671
management.ssl.cacertfile = $tls/ca.pem
management.ssl.certfile = $tls/server.pem
management.ssl.keyfile = $tls/server.key
management.ssl.versions.1 = tlsv1.3
management.ssl.versions.2 = tlsv1.2

# guest is deleted besides (studio-rabbitmq-sync).
loopback_users.guest = true

# Publishers wait, rather than requests being lost, before memory or the disk run out.
vm_memory_high_watermark.relative = 0.6
disk_free_limit.absolute = 2GB

log.console = true
log.console.level = info
log.file = false
CONF
  write "$etc/enabled_plugins" <<<'[rabbitmq_management].'
  # The node's name is the folder of its queues: it must not follow the machine's. Erlang's own ports stay on loopback.
  write "$etc/rabbitmq-env.conf" <<'CONF'
NODENAME=rabbit@localhost
SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
export ERL_EPMD_ADDRESS=127.0.0.1
CONF
  [ "$different" = no ] || return "$changed"
}

# An authority of our own signs the certificate. Its key never leaves the data disk; its certificate goes to Secret Manager
# (studio-rabbitmq-sync), where clients find it. The server's certificate lasts 397 days and is renewed a month before.
certificate() {
  local names renewed=no
  names=$(attribute studio-names)
  mkdir -p "$tls"
  if [ ! -s "$tls/ca.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj '/CN=StudioML RabbitMQ authority' \
      -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
      -keyout "$tls/ca.key" -out "$tls/ca.pem.new" 2>/dev/null
    mv "$tls/ca.pem.new" "$tls/ca.pem"
  fi
  if [ "$(cat "$tls/names" 2>/dev/null)" != "$names" ] || ! openssl x509 -noout -checkend $((30 * 24 * 3600)) -in "$tls/server.pem" >/dev/null 2>&1; then
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj '/CN=rabbitmq' \
      -keyout "$tls/server.key.new" -out "$tls/server.csr" 2>/dev/null
    openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 397 \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n' "$names") \
      -out "$tls/server.pem.new" 2>/dev/null
    mv "$tls/server.key.new" "$tls/server.key"
    mv "$tls/server.pem.new" "$tls/server.pem"
    printf '%s' "$names" >"$tls/names"
    rm -f "$tls/server.csr"
    renewed=yes
  fi
  chmod 600 "$tls/ca.key"
  chmod 640 "$tls/server.key"
  if [ -z "$root" ]; then
    chown root:rabbitmq "$tls" "$tls"/server.*
    chown root:root "$tls"/ca.*
    chmod 750 "$tls"
  fi
  [ "$renewed" = no ] || return "$changed"
}

# Users follow their secrets, and the certificate its date, every two minutes.
schedule() {
  local different=no
  attribute studio-sync | write /usr/local/sbin/studio-rabbitmq-sync
  attribute startup-script | write /usr/local/sbin/studio-rabbitmq-setup
  chmod 755 /usr/local/sbin/studio-rabbitmq-{sync,setup}
  write /etc/systemd/system/studio-rabbitmq-sync.service <<'UNIT'
[Unit]
Description=Brings RabbitMQ's users in line with Secret Manager
After=rabbitmq-server.service
[Service]
Type=oneshot
Environment=HOME=/root
# 10 says that it was renewed; the server then forgets the old one.
ExecStartPre=/bin/sh -c '/usr/local/sbin/studio-rabbitmq-setup certificate || { [ $? -eq 10 ] && rabbitmqctl eval "ssl:clear_pem_cache()."; }'
ExecStart=/usr/local/sbin/studio-rabbitmq-sync
UNIT
  write /etc/systemd/system/studio-rabbitmq-sync.timer <<'UNIT'
[Unit]
Description=Brings RabbitMQ's users in line with Secret Manager every two minutes
[Timer]
OnBootSec=2min
OnUnitActiveSec=2min
[Install]
WantedBy=timers.target
UNIT
  [ "$different" = no ] || systemctl daemon-reload
  systemctl enable --now --quiet studio-rabbitmq-sync.timer
}

# systemd runs a copy of this script, for the one that Google's agent runs is gone when it ends.
hand_over() {
  local different=no copy=$root/usr/local/sbin/studio-rabbitmq-setup
  write "$copy" <"$0"
  chmod 755 "$copy"
  write "$root/etc/systemd/system/studio-rabbitmq-setup.service" <<'UNIT'
[Unit]
Description=Makes this machine the deployment's RabbitMQ
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/usr/local/sbin/studio-rabbitmq-setup all
Restart=on-failure
RestartSec=2min
UNIT
  [ "$different" = no ] || systemctl daemon-reload
  systemctl start studio-rabbitmq-setup || {
    echo "setup.sh: RabbitMQ is not ready; systemd tries again every two minutes: journalctl -u studio-rabbitmq-setup" >&2
    return 1
  }
}

# part runs a part of this script as a process of its own, in which an error ends it, and tells "changed" from a fault.
part() {
  local status=0
  bash "$0" "$1" || status=$?
  case $status in
    0) ;;
    "$changed") restart=yes ;;
    *) exit "$status" ;;
  esac
}

main() {
  local restart=no
  mount_data
  install_packages
  chown -R rabbitmq:rabbitmq "$data" # another machine may have given the user another number
  part certificate
  part config
  systemctl enable --quiet rabbitmq-server
  if [ "$restart" = yes ]; then
    systemctl restart rabbitmq-server
  else
    systemctl start rabbitmq-server
  fi
  rabbitmqctl await_startup --timeout 120
  schedule
  systemctl start studio-rabbitmq-sync
}

case ${1:-} in
  '') hand_over ;;
  all) main ;;
  packages) install_packages ;;
  config) configure ;;
  certificate) certificate ;;
  *)
    echo "setup.sh: $1: not one of all, packages, config, certificate" >&2
    exit 2
    ;;
esac
