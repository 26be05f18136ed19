"""The process behind `FaultyProxy`.

Commands come by standard input, one a line: the name of a mode, `fail` with code and message, `forget`, `lose`,
`expire`, or `count`. The process ends with it, or else with its parent.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Mapping

from fieldcrypt.testing.child_process import end_with_parent

HOST = "127.0.0.1"

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds
_BROKEN_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
_READ_SIZE = 65_536
_ACCESS_KEY = re.compile(rb"^authorization:.*Credential=([^/]+)/", re.IGNORECASE | re.MULTILINE)


def _answer(status: str, kind: str, message: str = "made up by FaultyProxy") -> bytes:
    body = json.dumps({"__type": kind, "message": message})
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


_ANSWERS: Mapping[str, bytes] = {
    "error": _answer("500 Internal Server Error", "KMSInternalException"),
    "throttle": _answer("400 Bad Request", "ThrottlingException"),
}
_EXPIRED = _answer("400 Bad Request", "ExpiredTokenException", "The security token included in the request is expired")
_MODES = ("healthy", "refuse", "hang", "reset", "delay", "fail", *_ANSWERS)


class Proxy:
    """One loopback port before another.

    Args:
        server_port: where the server listens.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        # Holds the port while connections are refused: else it might become somebody's, even that of the client itself.
        self._reserved = _bind(0)
        self.port: int = self._reserved.getsockname()[1]
        self.counts = Counter(connections=0, requests=0)
        self._mode = "healthy"
        self._delay = 0.0
        self._listener: asyncio.Server | None = None
        self._open: set[StreamWriter] = set()
        self._hanging: set[StreamWriter] = set()
        self._forgotten: set[StreamWriter] = set()
        self._failure = b""
        self._losing = False
        self._access_keys: set[bytes] = set()
        self._expired: set[bytes] = set()

    def forget(self) -> None:
        """Reset the connections that are open now when something comes over them."""
        self._forgotten |= self._open

    def lose(self) -> None:
        """Reset the connection in place of the next answer."""
        self._losing = True

    def expire(self) -> None:
        """Take the access keys that were seen so far for expired."""
        self._expired |= self._access_keys

    async def fail(self, code: str, message: str) -> None:
        """Answer everything with an error."""
        self._failure = _answer("400 Bad Request", code, message)
        await self.switch("fail")

    async def switch(self, mode: str, delay: float = 0.0) -> None:
        """Take on a mode; it is in force when this returns."""
        if mode not in _MODES:
            raise ValueError(f"unknown mode {mode}")
        self._mode, self._delay = mode, delay
        if mode == "refuse" and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif mode != "refuse" and self._listener is None:
            self._listener = await asyncio.start_server(self._serve, sock=_bind(self.port))
        if mode == "healthy":
            self._expired.clear()
        if mode != "hang":
            for writer in self._open if mode == "refuse" else self._hanging:
                _reset(writer)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.counts["connections"] += 1
        self._open.add(writer)
        try:
            if self._mode == "refuse":  # accepted in the moment of the switch
                _reset(writer)
            while not writer.is_closing():
                request = b"".join(await _read_message(reader))
                if writer in self._forgotten:
                    _reset(writer)
                    break
                self.counts["requests"] += 1
                await self._respond(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side went away, or does not speak HTTP
        finally:
            self._open.discard(writer)
            self._hanging.discard(writer)
            self._forgotten.discard(writer)
            writer.close()

    async def _respond(self, request: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        signed = _ACCESS_KEY.search(request)
        self._access_keys |= {signed[1]} if signed else set()
        if self._mode == "hang":
            self._hanging.add(writer)
            while await reader.read(_READ_SIZE):
                pass
        elif self._mode == "reset":
            writer.write(_BROKEN_OFF)
            _reset(writer)
        elif self._mode in _ANSWERS:
            writer.write(_ANSWERS[self._mode])
        elif self._mode == "fail":
            writer.write(self._failure)
        elif signed and signed[1] in self._expired:
            await asyncio.sleep(self._delay)
            writer.write(_EXPIRED)
        else:
            await asyncio.sleep(self._delay)
            answer, losing, self._losing = await self._forward(request), self._losing, False
            if losing:
                _reset(writer)
            else:
                writer.write(answer)
        await writer.drain()

    async def _forward(self, request: bytes) -> bytes:
        """Let the server answer, over a connection of its own."""
        reader, writer = await asyncio.open_connection(HOST, self._server_port)
        try:
            writer.write(request)
            head, body = await _read_message(reader, to_the_end=True)
        finally:
            writer.close()
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"connection:", b"content-length:"))]
        return b"\r\n".join([*kept, b"Content-Length: %d" % len(body), b"", body])


async def _read_message(reader: StreamReader, *, to_the_end: bool = False) -> tuple[bytes, bytes]:
    """Read the head and the body of a request, or of an answer, which without a length goes on to the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head, await reader.readexactly(int(value))
    return head, await reader.read() if to_the_end else b""


def _reset(writer: StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # listener and reservation share the port
    bound.bind((HOST, port))
    return bound


async def main() -> None:
    end_with_parent()
    proxy = Proxy(int(sys.argv[1]))
    await proxy.switch("healthy")
    print(proxy.port, flush=True)
    commands = StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(await _obey(proxy, *line.decode().split(maxsplit=1)), flush=True)


async def _obey(proxy: Proxy, command: str, argument: str = "") -> str:
    match command:
        case "count":
            return json.dumps(proxy.counts)
        case "forget":
            proxy.forget()
        case "lose":
            proxy.lose()
        case "expire":
            proxy.expire()
        case "fail":
            await proxy.fail(*json.loads(argument))
        case mode:
            await proxy.switch(mode, *map(float, argument.split()))
    return "done"


if __name__ == "__main__":
    asyncio.run(main())
