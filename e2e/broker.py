"""The broker, seen by tools that are not ours: its management API, and a queue that gets a copy of what clients publish."""

import json
import urllib.parse
import urllib.request
from contextlib import contextmanager

import pika

EXCHANGE = "StudioML.topic"
WAIT_SECONDS = 10


class Broker:
    def __init__(self, amqp_url: str):
        self.url = amqp_url
        address = urllib.parse.urlparse(amqp_url)
        self._management = f"http://{address.hostname}:{address.port + 10_000}/api"
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, self._management, urllib.parse.unquote(address.username), urllib.parse.unquote(address.password))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords))

    def queue(self, name: str) -> dict:
        """A queue as the management API shows it."""
        with self._opener.open(f"{self._management}/queues/%2F/{urllib.parse.quote(name)}", timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def ready(self, name: str) -> int:
        """How many messages of a queue nobody has taken."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            return connection.channel().queue_declare(name, passive=True).method.message_count

    @contextmanager
    def copies(self, *queues: str):
        """While it is open, whatever clients publish to these queues is also copied into one of our own."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            channel = connection.channel()
            channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True, auto_delete=True)
            own = channel.queue_declare("", exclusive=True).method.queue
            for queue in queues:
                channel.queue_bind(own, EXCHANGE, routing_key=f"StudioML.{queue}")
            yield Copies(channel, own)
        finally:
            connection.close()


class Copies:
    def __init__(self, channel, queue: str):
        self._channel, self._queue = channel, queue

    def next(self) -> tuple[bytes, pika.BasicProperties]:
        """The next message and its properties."""
        for method, properties, body in self._channel.consume(self._queue, auto_ack=True, inactivity_timeout=WAIT_SECONDS):
            assert method, "nothing was published"
            return body, properties
