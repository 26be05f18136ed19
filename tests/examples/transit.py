"""A server with the part of Vault's interface that a key provider uses: encrypt and decrypt of the Transit engine."""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

READER, WRITER = "reader", "writer"  # tokens
NONCE_SIZE = 12


class Transit(ThreadingHTTPServer):
    """One engine at /v1/transit with one key, `shop`.

    Attributes:
        failure: the status and the errors that answer every request, if there are any.
        oldest: the version from which on the key decrypts.
        requests: the bodies of all requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = AESGCM(os.urandom(32))
        self.failure: tuple[int, list[str]] | None = None
        self.oldest = 1
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, token: str | None, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.failure is not None:
            return self.failure[0], {"errors": self.failure[1]}
        if token not in (READER, WRITER):
            return 403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}
        additional = base64.b64decode(body.get("associated_data", ""))
        if path == "/v1/transit/encrypt/shop" and token == WRITER:
            nonce = os.urandom(NONCE_SIZE)
            sealed = nonce + self.key.encrypt(nonce, base64.b64decode(body["plaintext"]), additional)
            return 200, {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}}
        if path == "/v1/transit/decrypt/shop":
            return self._decrypted(body["ciphertext"], additional)
        if path.startswith("/v1/transit/"):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}

    def _decrypted(self, ciphertext: str, additional: bytes) -> tuple[int, dict[str, Any]]:
        if not ciphertext.startswith("vault:v1:"):
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        if self.oldest > 1:
            return 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]}
        try:
            sealed = base64.b64decode(ciphertext.removeprefix("vault:v1:"), validate=True)
            plaintext = self.key.decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], additional)
        except binascii.Error:
            return 400, {"errors": ["invalid ciphertext: could not decode base64"]}
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}


class _Handler(BaseHTTPRequestHandler):
    server: Transit

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        status, answer = self.server.answer(self.path, self.headers.get("X-Vault-Token"), body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def transit() -> Iterator[Transit]:
    """A server that runs for the length of a block."""
    with Transit() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
