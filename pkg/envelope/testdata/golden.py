"""Writes testdata/golden: envelopes and keys made without this package's code, as Python clients make them.

    python3 -m venv venv && venv/bin/pip install pycryptodome pynacl && venv/bin/python golden.py

The keys are for tests only and new at every run; commit the whole folder.

    venv/bin/python golden.py open KEY.pem < payload

does the opposite: it opens a payload with an unencrypted RSA key, to check what Go sealed.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from nacl.public import random
from nacl.secret import SecretBox
from nacl.signing import SigningKey

OUT = pathlib.Path(__file__).parent / "golden"
PASSPHRASE = "PassPhrase"
RESOURCES = {"cpus": 1, "gpus": 1, "hdd": "3gb", "ram": "2gb", "gpuMem": "4gb"}
INNER = {
    "experiment": {
        "key": "1530054413_5f3c1e9a-7d0e-4b1f-9a53-0c5f0a7b2f11",
        "filename": "train.py",
        "args": ["'--note=é ✓'"],
        "pythonver": "3.6",
        "resources_needed": RESOURCES,
    },
    "config": {"experimentLifetime": "30m"},
}


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


def seal(plain, public):
    session = random(SecretBox.KEY_SIZE)
    block = PKCS1_OAEP.new(public, hashAlgo=SHA256).encrypt(session)
    box = SecretBox(session).encrypt(plain)  # the nonce, then the box
    return base64.b64encode(block).decode() + "," + base64.b64encode(box).decode()


def unseal(payload, private):
    block, box = (base64.b64decode(part, validate=True) for part in payload.split(","))
    return SecretBox(PKCS1_OAEP.new(private, hashAlgo=SHA256).decrypt(block)).decrypt(box)


def fingerprint(blob):
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def message(payload, signing, version_tag, lifetime, wire):
    signature = signing.sign(payload.encode("ascii")).signature
    if wire:
        signature = ssh_string(b"ssh-ed25519") + ssh_string(signature)
    blob = ssh_string(b"ssh-ed25519") + ssh_string(bytes(signing.verify_key))
    return {"message": {
        "experiment": {"status": "waiting", version_tag: "3.6"},
        "time_added": 1530054413.13,
        "experiment_lifetime": lifetime,
        "resources_needed": RESOURCES,
        "payload": payload,
        "fingerprint": fingerprint(blob),
        "signature": base64.b64encode(signature).decode(),
    }}


def main():
    OUT.mkdir(exist_ok=True)
    key, signing = RSA.generate(2048), SigningKey.generate()
    inner = json.dumps(INNER, ensure_ascii=False).encode("utf-8")
    blob = ssh_string(b"ssh-ed25519") + ssh_string(bytes(signing.verify_key))
    # Few iterations, for the tests' sake.
    files = {
        "inner.json": inner,
        "passphrase": PASSPHRASE.encode(),
        "request.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=1),
        "request_plain.pem": key.export_key("PEM", pkcs=1),
        "request_pbkdf2.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=8, protection="PBKDF2WithHMAC-SHA512AndAES256-CBC",
                                             prot_params={"iteration_count": 2048}),
        "request_scrypt.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=8, protection="scryptAndAES128-CBC",
                                             prot_params={"iteration_count": 1024}),
        "request.pub.pem": key.public_key().export_key("PEM"),
        "request.pub": key.public_key().export_key("OpenSSH"),
        "signing.pub": b"ssh-ed25519 " + base64.b64encode(blob) + b" golden\n",
        "python.json": json.dumps(message(seal(inner, key.public_key()), signing, "pythonver", None, False)).encode(),
        "go.json": json.dumps(message(seal(inner, key.public_key()), signing, "pthonver", "30m", True), indent=1).encode(),
    }
    for name, data in files.items():
        (OUT / name).write_bytes(data)


if sys.argv[1:2] == ["open"]:
    private = RSA.import_key(pathlib.Path(sys.argv[2]).read_bytes())
    sys.stdout.buffer.write(unseal(sys.stdin.read().strip(), private))
else:
    main()
