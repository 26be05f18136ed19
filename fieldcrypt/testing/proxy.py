"""A proxy in front of a server that fails like networks and servers."""

from __future__ import annotations

import json
from datetime import timedelta
from types import TracebackType

from fieldcrypt.testing.child_process import ChildProcess

__all__ = ["FaultyProxy"]


class FaultyProxy:
    """An HTTP proxy on loopback before one server, in a process of its own, healthy until told otherwise.

        with LocalAws() as aws, FaultyProxy(aws.endpoint("us-east-1")) as proxy:
            client = aws.kms("us-east-1", endpoint_url=proxy.url)
            proxy.hang()

    A switch is in force when its method returns: for new connections, and for the next request on those that are open.
    Connections are kept open between requests, as AWS does, even if the server behind closes its own. It speaks as
    much HTTP as AWS clients and moto: bodies have a Content-Length.

    Args:
        server: the URL of the server, on loopback.
    """

    def __init__(self, server: str) -> None:
        self._server_port = server.rpartition(":")[2].strip("/")
        self._process: ChildProcess | None = None
        self._port = 0

    def __enter__(self) -> FaultyProxy:
        self._process = ChildProcess("fieldcrypt.testing.proxy_server", self._server_port)
        try:
            self._port = int(self._process.answer())
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    @property
    def url(self) -> str:
        """The URL of the proxy; the same through all faults."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._count("connections")

    @property
    def requests(self) -> int:
        """How many requests arrived so far, answered or not."""
        return self._count("requests")

    def healthy(self) -> None:
        """Pass requests on. Connections that hang are closed, and no credentials are expired any more."""
        self._ask("healthy")

    def refuse(self) -> None:
        """Refuse connections, and reset those that are open: a server that is down."""
        self._ask("refuse")

    def hang(self) -> None:
        """Accept and read, and never answer: a server that is stuck, a packet filter that drops."""
        self._ask("hang")

    def reset(self) -> None:
        """Break the connection off in the middle of every answer: a load balancer that dies."""
        self._ask("reset")

    def delay(self, time: timedelta) -> None:
        """Pass requests on after a time."""
        self._ask(f"delay {time.total_seconds()}")

    def error(self) -> None:
        """Answer HTTP 500 and `KMSInternalException`."""
        self._ask("error")

    def throttle(self) -> None:
        """Answer HTTP 400 and `ThrottlingException`, as AWS does if requests come too fast."""
        self._ask("throttle")

    def fail(self, code: str, message: str) -> None:
        """Answer HTTP 400 and any error of AWS."""
        self._ask(f"fail {json.dumps([code, message])}")

    def forget_connections(self) -> None:
        """Reset every connection that is open now when it is used again, as a NAT gateway does with idle ones.

        New ones are served, in whatever mode the proxy is.
        """
        self._ask("forget")

    def lose_answer(self) -> None:
        """Pass the next request on, and reset the connection in place of the answer: what it asked for is done.

        It is apart from the mode, which has to be healthy.
        """
        self._ask("lose")

    def expire_credentials(self) -> None:
        """Answer `ExpiredTokenException` to every access key that was seen so far, and serve others.

        This too is apart from the mode, and lasts until `healthy`.
        """
        self._ask("expire")

    def _count(self, name: str) -> int:
        counts: dict[str, int] = json.loads(self._ask("count"))
        return counts[name]

    def _ask(self, command: str) -> str:
        if self._process is None:
            raise RuntimeError("FaultyProxy is not running: use it in a with statement")
        return self._process.ask(command)
