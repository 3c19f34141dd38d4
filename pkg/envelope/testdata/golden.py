"""Seals and opens envelopes as Python clients do, without a line of this package's code.

    golden.py write         writes testdata/golden anew, keys included: commit the whole folder
    golden.py answer DIR    opens what Go sealed with keys that Go made, and seals for them (python_integration_test.go)

Run it in the folder that it is in, with ssh-keygen and what requirements.txt names:

    uv run --no-project --with-requirements requirements.txt golden.py write

The keys are for tests only.
"""

import base64
import json
import pathlib
import struct
import subprocess
import sys

from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from nacl.public import random
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey
from sshpubkeys import SSHKey
from studio.ed25519_key_util import Ed25519KeyUtil
from studio.encrypted_payload_builder import EncryptedPayloadBuilder
from studio.experiments.experiment import Experiment

PASSPHRASE = "PassPhrase"
RESOURCES = {"cpus": 1, "gpus": 1, "hdd": "3gb", "ram": "2gb", "gpuMem": "4gb"}
EXPERIMENT = {
    "key": "1530054413_5f3c1e9a-7d0e-4b1f-9a53-0c5f0a7b2f11",
    "filename": "train.py",
    "args": ["'--note=é ✓'"],
    "pythonver": "3.6",
    "resources_needed": RESOURCES,
}
CONFIG = {"experimentLifetime": "30m"}


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


def fingerprint(line):
    key = SSHKey(line)
    key.parse()
    return key.hash_sha256()


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
        "fingerprint": fingerprint("ssh-ed25519 " + base64.b64encode(blob).decode()),
        "signature": base64.b64encode(signature).decode(),
    }}


def by_the_released_client(folder):
    """What `studio run` publishes, and what it sealed, made by its own payload builder from the key files of a user."""
    experiment = Experiment(
        key=EXPERIMENT["key"], filename=EXPERIMENT["filename"], args=["--note=é ✓"], resources_needed=RESOURCES,
        pythonenv=["numpy==1.26.4"], project=None, artifacts={}, metric=None, time_added=1530054413.13, max_duration="20m")
    builder = EncryptedPayloadBuilder("golden", str(folder / "request.pub.pem"), str(folder / "signing"))
    inner = builder.simple_builder.construct(experiment, CONFIG, [])
    return json.dumps(builder.construct(experiment, CONFIG, [])), json.dumps(inner)


def seal_for(folder):
    """Seals for the request key in the folder and signs with the signing key there, as three clients do."""
    public = RSA.import_key((folder / "request.pub.pem").read_bytes())
    _, seed = Ed25519KeyUtil.parse_private_key_file(str(folder / "signing"), None)
    inner = json.dumps({"experiment": EXPERIMENT, "config": CONFIG}, ensure_ascii=False)
    raw = message(seal(inner.encode(), public), SigningKey(seed), "pythonver", None, False)
    wire = message(seal(inner.encode(), public), SigningKey(seed), "pthonver", "30m", True)
    client, client_inner = by_the_released_client(folder)
    return {
        "inner.json": inner, "python.json": json.dumps(raw), "go.json": json.dumps(wire, indent=1),
        "client.json": client, "client_inner.json": client_inner,
    }


def answer(folder):
    """Opens and verifies ours.json, and reads every key file, all of which Go wrote; seals for those keys."""
    ours = json.loads((folder / "ours.json").read_bytes())["message"]
    public = SSHKey((folder / "signing.pub").read_text())
    public.parse()
    verify = VerifyKey(Ed25519KeyUtil.parse_public_key_file(str(folder / "signing.pub"), None))
    verify.verify(ours["payload"].encode("ascii"), base64.b64decode(ours["signature"], validate=True))
    private = RSA.import_key((folder / "request.pem").read_bytes())
    encrypted = RSA.import_key((folder / "request_encrypted.pem").read_bytes(), passphrase=PASSPHRASE)
    line = RSA.import_key((folder / "request.pub").read_bytes())
    if encrypted != private or line != private.public_key():
        raise ValueError("the files of the request key hold several keys")
    prints = {name: fingerprint((folder / name).read_text()) for name in ("request.pub", "signing.pub")}
    return {"opened": unseal(ours["payload"], private).decode(), "fingerprints.json": json.dumps(prints), **seal_for(folder)}


def make_keys(folder):
    key = RSA.generate(2048)
    # Few iterations, for the tests' sake.
    files = {
        "passphrase": PASSPHRASE.encode(),
        "request.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=1),
        "request_plain.pem": key.export_key("PEM", pkcs=1),
        "request_pbkdf2.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=8, protection="PBKDF2WithHMAC-SHA512AndAES256-CBC",
                                             prot_params={"iteration_count": 2048}),
        "request_scrypt.pem": key.export_key("PEM", passphrase=PASSPHRASE, pkcs=8, protection="scryptAndAES128-CBC",
                                             prot_params={"iteration_count": 1024}),
        "request.pub.pem": key.public_key().export_key("PEM"),
        "request.pub": key.public_key().export_key("OpenSSH"),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for name in ("signing", "signing.pub"):
        (folder / name).unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "golden", "-f", folder / "signing"], check=True)


def main(command, folder=pathlib.Path(__file__).parent / "golden"):
    folder = pathlib.Path(folder)
    if command == "write":
        folder.mkdir(exist_ok=True)
        make_keys(folder)
    files = answer(folder) if command == "answer" else seal_for(folder)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


main(*sys.argv[1:])
