"""moto over HTTP.

It does with a request from the network what `mock_aws` does with one that has not been sent yet. moto's own server does
so by way of Flask, which is not needed for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from threading import Thread
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.request import Request
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

__all__ = ["MotoServer"]

_HOST = "127.0.0.1"
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_STREAMS = "DynamoDBStreams_"


class MotoServer:
    """A loopback port at which moto answers, from now until `stop`.

    Args:
        port: 0 for one that is free.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = make_server(_HOST, port, _application, threaded=True)
        self.port: int = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port: connections are refused from now on."""
        self._server.shutdown()
        self._thread.join()


def _application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request, as WSGI has it."""
    request = Request(environ)
    host = _host(request)
    if host is None:
        answer = Response("the request is not signed, so it is not known which service it is for", 400)
        return answer(environ, start_response)
    headers = HTTPHeaders()
    for name, value in request.headers.items():
        headers[name] = value
    query = request.query_string.decode()
    url = f"https://{host}{request.raw_path}{'?' if query else ''}{query}"
    prepared = AWSPreparedRequest(request.method, url, headers, request.get_data(), stream_output=False)
    try:
        status, answered, body = BotocoreStubber().process_request(prepared) or (404, {}, "")
    except ClientError as error:
        status, answered, body = 400, {}, error.response["Error"]["Message"]
    return Response(body, status, {name: str(value) for name, value in answered.items()})(environ, start_response)


def _host(request: Request) -> str | None:
    """Return where AWS would answer a request, by what it was signed for."""
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    if scope is None:
        return None
    service = scope["service"]
    if request.headers.get("X-Amz-Target", "").startswith(_STREAMS):
        service = f"streams.{service}"
    return f"{service}.{scope['region']}.amazonaws.com"
