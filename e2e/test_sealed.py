"""Requests that the client encrypts and signs, and what becomes of those that it should have."""

import json

import pytest
from broker import Broker
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dead_letters import dead_letter
from evidence import Stores, finished

TRAIN = "import sys; print('trained with', sys.argv[1])"


@pytest.fixture
def sealed(project, cloud):
    """A user whose queue takes encrypted and signed requests only."""
    project.queue = f"{cloud.state['sealed_queue']}_{project.queue.removeprefix('rmq_')}"
    project.write("train.py", TRAIN)
    return project


def keys(project, public: str, signing: str):
    project.configure(f"public_key_path: {public}\nsigning_key_path: {signing}\n")


def another_signing_key(project) -> str:
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    return str(project.write("../another_signing_key", key, mode=0o600))


def another_request_key(project) -> str:
    key = rsa.generate_private_key(65537, 2048).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    return str(project.write("../another_request_key.pem", key))


def refused(project, key: str, reason: str, stage: str, words: str, kind: str):
    """Checks what every view says of a request that does not become an experiment."""
    letter, _ = dead_letter(project.cloud.state, project.queue)
    assert (letter["reason"], letter["stage"], letter["kind"]) == (reason, stage, kind)
    assert words in letter["detail"]
    assert Broker(project.cloud.state["amqp_url"]).ready(project.queue) == 0, "it is not put back"
    experiment = project.api().get_experiment(key)
    assert experiment.status == "waiting" and experiment.time_started is None, "nobody who proves no key writes into a record"
    stores = Stores(project.cloud.state)
    assert "cloud" not in stores.record(key)
    assert stores.listing(f"experiments/{key}/") == {}


def test_an_encrypted_and_signed_request_runs_and_shows_nothing_of_itself_on_its_way(sealed, cloud):
    keys(sealed, cloud.state["request_key"], cloud.state["signing_key"])

    with Broker(cloud.state["amqp_url"]).copies(sealed.queue) as copies:
        submitted = sealed.run("--max-duration=20m", "train.py", "secret-recipe")
        body, _ = copies.next()

    done = finished(sealed, submitted.key)
    assert "trained with secret-recipe\n" in done.output
    message = json.loads(body)["message"]
    assert set(message) == {
        "experiment", "time_added", "experiment_lifetime", "resources_needed", "payload", "signature", "fingerprint"}
    assert message["experiment_lifetime"] == "20m"
    for secret in (submitted.key, "secret-recipe", "train.py", cloud.state["s3_secret_key"], cloud.state["amqp_url"]):
        assert secret.encode() not in body


def test_a_request_in_clear_is_refused_where_signatures_are_demanded(sealed):
    submitted = sealed.run("train.py", "secret-recipe")

    refused(sealed, submitted.key, "clear_refused", "bridge", "take sealed and signed requests only", kind="clear")


def test_a_request_that_is_signed_with_a_strangers_key_is_refused(sealed, cloud):
    keys(sealed, cloud.state["request_key"], another_signing_key(sealed))

    submitted = sealed.run("train.py", "secret-recipe")

    refused(sealed, submitted.key, "wrong_key", "bridge", "is signed with a key that is not registered", kind="sealed")


def test_a_request_that_is_encrypted_for_somebody_else_is_refused(sealed, cloud):
    keys(sealed, another_request_key(sealed), cloud.state["signing_key"])

    submitted = sealed.run("train.py", "secret-recipe")

    refused(sealed, submitted.key, "undecryptable", "executor", "none of the cluster's keys opens the request", kind="sealed")


def test_the_client_encrypts_nothing_that_it_cannot_sign(sealed, cloud):
    sealed.configure(f"public_key_path: {cloud.state['request_key']}\n")

    printed = sealed.run("train.py", "secret-recipe", exit_code=1).output

    assert "Signing key path must be specified for encrypted payloads. ABORTING." in printed
