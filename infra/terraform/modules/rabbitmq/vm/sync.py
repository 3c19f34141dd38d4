#!/usr/bin/env python3
"""Brings RabbitMQ's users in line with Secret Manager. It runs on RabbitMQ's machine every two minutes.

Each user has a secret with the AMQP URL that its owner connects with. A secret whose latest version is no such URL (the one
that Terraform makes it with, or one that somebody added to have the password changed) gets a new version with a new random
password: no password is ever seen by Terraform, a person or the network without TLS. Users that are not listed any more are
deleted, and guest. The authority that signs the server's certificate is published, too.

Nothing is printed that is secret. One user's fault does not keep the others from working; it ends with 1 then.
"""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

METADATA = os.environ.get("METADATA_URL", "http://metadata.google.internal/computeMetadata/v1")
SECRETS = os.environ.get("SECRETS_URL", "https://secretmanager.googleapis.com/v1")
CTL = os.environ.get("RABBITMQCTL", "rabbitmqctl")
ROOT = os.environ.get("STUDIO_ROOT", "")
STATE = ROOT + "/var/lib/rabbitmq/studio-definitions.sha256"
CA = ROOT + "/var/lib/rabbitmq/tls/ca.pem"
OURS = "studio"  # a tag that tells our users from those that somebody made by hand, which are left alone


def fetch(url, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers | {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def metadata(path):
    return fetch(f"{METADATA}/{path}", {"Metadata-Flavor": "Google"})


class Vault:
    """The secrets, by their full names (projects/…/secrets/…)."""

    def __init__(self):
        token = json.loads(metadata("instance/service-accounts/default/token"))
        self.headers = {"Authorization": "Bearer " + token["access_token"]}

    def latest(self, name):
        """The latest version's text, or "" where there is none that is enabled."""
        try:
            answer = json.loads(fetch(f"{SECRETS}/{name}/versions/latest:access", self.headers))
        except urllib.error.HTTPError as fault:
            if fault.code in (400, 404):  # none yet; or the latest one is disabled
                return ""
            raise
        return base64.b64decode(answer["payload"]["data"]).decode()

    def add(self, name, text):
        fetch(f"{SECRETS}/{name}:addVersion", self.headers, {"payload": {"data": base64.b64encode(text.encode()).decode()}})


def password_of(url, user):
    """The password in an AMQP URL of that user, or None where it is no such URL."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in ("amqp", "amqps") or parts.username != user or not parts.password:
        return None
    return urllib.parse.unquote(parts.password)


def settle(vault, user):
    """Returns the user's password, a new one where its secret has none. The address is Terraform's: a secret follows it."""
    known = vault.latest(user["secret"])
    password = password_of(known, user["name"])
    wanted = password or secrets.token_urlsafe(32)
    url = f"amqps://{user['name']}:{urllib.parse.quote(wanted, safe='')}@{user['address']}"
    if known != url:
        vault.add(user["secret"], url)
        print(f"user {user['name']}: {'address' if password else 'password'} written to {user['secret']}")
    return wanted


def password_hash(name, password):
    """RabbitMQ's salted SHA-256. The salt is derived, so that the same users give the same document; passwords are random."""
    salt = hashlib.sha256(f"{name} {password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(users):
    """RabbitMQ's definitions for (user, password) pairs. What each may do is written in Terraform (users.tf)."""
    names = [(user["name"], user["permissions"]) for user, _ in users]
    return {
        "vhosts": [{"name": "/"}],
        "users": [
            {
                "name": user["name"],
                "password_hash": password_hash(user["name"], password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ",".join(user["tags"] + [OURS]),
            }
            for user, password in users
        ],
        "permissions": [
            {"user": name, "vhost": "/", "configure": p["configure"], "write": p["write"], "read": p["read"]} for name, p in names
        ],
        "topic_permissions": [
            {"user": name, "vhost": "/", "exchange": "StudioML.topic", "write": p["topic_write"], "read": p["topic_read"]}
            for name, p in names
        ],
    }


UNAVAILABLE = 69  # rabbitmqctl's exit status (sysexits.h) where it does not reach the node: on a busy machine its handshake times out
TRIES = 5


def ctl(*args):
    for left in reversed(range(TRIES)):
        try:
            return subprocess.run([CTL, "--quiet", *args], check=True, stdout=subprocess.PIPE, text=True).stdout
        except subprocess.CalledProcessError as fault:
            if fault.returncode != UNAVAILABLE or not left:
                raise
            time.sleep(2)


def install(document):
    """Imports the definitions unless they are what was imported last. They hold hashes: the file is for root only."""
    text = json.dumps(document, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        with open(STATE, encoding="ascii") as state:
            if state.read() == digest:
                return
    except FileNotFoundError:
        pass
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text)
        file.flush()
        ctl("import_definitions", file.name)
    with open(STATE, "w", encoding="ascii") as state:
        state.write(digest)
    print(f"{len(document['users'])} users imported")


def remove_others(listed):
    """Deletes guest, and those of our users that are not listed."""
    for user in json.loads(ctl("list_users", "--formatter", "json")):
        name = user["user"]
        if name not in listed and (name == "guest" or OURS in user["tags"]):
            ctl("delete_user", name)
            print(f"user {name} deleted")


def publish_authority(vault, secret):
    with open(CA, encoding="ascii") as file:
        text = file.read()
    if vault.latest(secret) != text:
        vault.add(secret, text)
        print(f"authority written to {secret}")


def main():
    users = json.loads(metadata("instance/attributes/studio-users"))
    vault, settled, faults = Vault(), [], []
    for user in users["users"]:
        try:
            settled.append((user, settle(vault, user)))
        except (OSError, ValueError) as fault:
            faults.append(f"user {user['name']}: {user['secret']}: {fault}")
    install(definitions(settled))
    remove_others({user["name"] for user in users["users"]})
    try:
        publish_authority(vault, users["authority_secret"])
    except (OSError, ValueError) as fault:
        faults.append(f"authority: {users['authority_secret']}: {fault}")
    for fault in faults:
        print("studio-rabbitmq-sync:", fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
