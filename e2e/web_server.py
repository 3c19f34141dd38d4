"""An HTTPS server on loopback, with a certificate of an authority of its own."""

import datetime
import http.server
import ipaddress
import ssl
import threading
import urllib.parse
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority that signs for 127.0.0.1. `file` has its own certificate, `chain` that of the server with its key."""

    def __init__(self, folder: Path):
        self.file, self.chain = folder / "authority.pem", folder / "server.pem"
        key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e authority")])
        root = _certificate(own, own, key.public_key(), x509.BasicConstraints(ca=True, path_length=0)).sign(key, hashes.SHA256())
        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        leaf = _certificate(server, own, server_key.public_key(), names).sign(key, hashes.SHA256())
        self.file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def _certificate(subject, issuer, key, extension):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints)))


class WebServer:
    """Serves `files`, by path, until it is stopped. `asked` are the requests, with their query, and who made them."""

    def __init__(self, authority: Authority, files: dict[str, bytes]):
        self.asked: list[tuple[str, str]] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers["User-Agent"].partition("/")[0]))
                body = files.get(urllib.parse.unquote(self.path.partition("?")[0]))
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.chain)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
