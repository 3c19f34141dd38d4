"""The dead letters, as Google's own Pub/Sub client reads them from the local cloud."""

import os
import time
from unittest import mock

from google.cloud import pubsub_v1

WAIT_SECONDS = 60


def dead_letter(state: dict, queue: str) -> tuple[dict[str, str], bytes]:
    """Waits for the dead letter of a queue, and returns its attributes and data. It stays where it is."""
    with mock.patch.dict(os.environ, PUBSUB_EMULATOR_HOST=state["pubsub_emulator"]), pubsub_v1.SubscriberClient() as client:
        subscription = client.subscription_path(state["project"], "studio-dead-letters")
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            pulled = client.pull(subscription=subscription, max_messages=100, return_immediately=True).received_messages
            if pulled:
                client.modify_ack_deadline(subscription=subscription, ack_ids=[m.ack_id for m in pulled], ack_deadline_seconds=0)
            for received in pulled:
                if received.message.attributes["queue"] == queue:
                    return dict(received.message.attributes), received.message.data
            time.sleep(0.2)
    raise AssertionError(f"no dead letter came from {queue} in {WAIT_SECONDS} s")
