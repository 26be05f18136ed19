"""What KMS, and the way to it, can do wrong: servers on loopback that do it."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from tests.support.doubles import PATIENCE

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


class Server:
    """A loopback port that does the same with every connection; remembers the requests."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[dict[str, Any]] = []
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    if self._tls is None:
                        self._note(_request(connection))
                        self._serve(connection)
                    else:
                        self._tls.wrap_socket(connection, server_side=True).close()
                except OSError:
                    pass  # the client went away

    def _note(self, body: bytes) -> None:
        self.requests.append(json.loads(body) if body.startswith(b"{") else {})

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)


def _request(connection: socket.socket) -> bytes:
    """Read one HTTP request, and return its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        if not received:
            return b""
        data += received
        if not data.startswith(b"POST"):
            return data  # not HTTP
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65_536)
    return body


def answering(body: bytes, status: str = "200 OK", *, missing: int = 0) -> Server:
    """A server that gives one answer to everything, of which some bytes may be missing at the end."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body) + missing}\r\n"
    return Server(lambda connection: connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body))


def failing(code: str, status: str = "400 Bad Request", message: str = "made up") -> Server:
    """A KMS that answers with an error."""
    return answering(json.dumps({"__type": code, "message": message}).encode(), status)


@contextmanager
def _url(url: str) -> Iterator[Any]:
    class Nobody:
        requests: tuple[Any, ...] = ()

    nobody = Nobody()
    nobody.url = url  # type: ignore[attr-defined]
    yield nobody


@contextmanager
def refused() -> Iterator[Any]:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        with _url(f"http://127.0.0.1:{bound.getsockname()[1]}") as nobody:
            yield nobody


@contextmanager
def silent() -> Iterator[Any]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # which nobody serves
        yield stack.enter_context(_url(f"http://127.0.0.1:{server.getsockname()[1]}"))


@contextmanager
def unreachable() -> Iterator[Any]:
    """A port whose queue of connections is full: packets to it are dropped."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield stack.enter_context(_url(f"http://127.0.0.1:{server.getsockname()[1]}"))


@contextmanager
def plain_where_tls_is_due() -> Iterator[Any]:
    with answering(b"{}") as server:
        server.url = server.url.replace("http:", "https:")
        yield server


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def encoded(part: object) -> bytes:
    return json.dumps({"Plaintext": part}).encode()


OUTAGES: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str]] = {
    "refused": (refused, "EndpointConnectionError"),
    "unknown name": (lambda: _url("https://nonexistent.invalid"), "EndpointConnectionError"),
    "no TLS": (plain_where_tls_is_due, "SSLError"),
    "time to connect": (unreachable, "ConnectTimeoutError"),
    "time to read": (silent, "ReadTimeoutError"),
    "reset": (lambda: Server(_reset), "ConnectionClosedError"),
    "closed": (lambda: Server(lambda _: None), "ConnectionClosedError"),
    "500": (lambda: answering(b"", "500 Internal Server Error"), "500"),
    "502 in HTML": (lambda: answering(b"<html>\xe9</html>", "502 Bad Gateway"), "502"),
    "503 unknown": (lambda: failing("SomethingNew", "503 Service Unavailable"), "SomethingNew"),
    "429": (lambda: failing("TooMany", "429 Too Many Requests"), "TooMany"),
    "throttled": (lambda: failing("ThrottlingException"), "ThrottlingException"),
    "internal": (lambda: failing("KMSInternalException", "500 Internal Server Error"), "KMSInternalException"),
    "dependency": (lambda: failing("DependencyTimeoutException", "503 Unavailable"), "DependencyTimeoutException"),
    "key unavailable": (lambda: failing("KeyUnavailableException", "500 Error"), "KeyUnavailableException"),
    "HTML": (lambda: answering(b"<html>Please log in</html>"), "IncompleteAnswerError"),
    "HTML not in UTF-8": (lambda: answering(b"<html>Geb\xfchr</html>"), "IncompleteAnswerError"),
    "truncated JSON": (lambda: answering(encoded("AAAA")[:-4]), "IncompleteAnswerError"),
    "cut off": (lambda: answering(encoded("AAAA")[:-4], missing=4), "IncompleteAnswerError"),
    "empty": (lambda: answering(b""), "IncompleteAnswerError"),
    "nothing in it": (lambda: answering(b"{}"), "IncompleteAnswerError"),
    "null": (lambda: answering(b"null"), "IncompleteAnswerError"),
    "a list": (lambda: answering(b"[1]"), "IncompleteAnswerError"),
    "no text": (lambda: answering(encoded(7)), "IncompleteAnswerError"),
    "no base64": (lambda: answering(encoded("A")), "IncompleteAnswerError"),
    "an error that is none": (lambda: answering(b'{"__type": 7}', "500 Error"), "IncompleteAnswerError"),
}

# Where the connection ends without an answer it may have been dead before, so a fresh one is tried.
TRIED_TWICE = {"reset", "closed"}
