"""Python runs this at the start of every program of the client's, which has the folder on its PYTHONPATH. It repairs one fault
of the released client that loopback makes likely: a broker that confirms a message before the client has noted that it awaits
a confirmation breaks the client's connection (test_client.py shows the error)."""

import time

from studio.queues.rabbit_queue import RMQueue

handle = RMQueue._on_delivery_confirmation


def handle_when_noted(queue, frame):
    for _ in range(1000):
        if frame.method.delivery_tag in queue._deliveries:
            break
        time.sleep(0.01)
    handle(queue, frame)


RMQueue._on_delivery_confirmation = handle_when_noted
