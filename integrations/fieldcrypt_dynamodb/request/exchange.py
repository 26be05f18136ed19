"""Operations without I/O: generators that yield what is to be sent, and are sent what DynamoDB answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from botocore.exceptions import ClientError

__all__ = ["Exchange", "Params", "Response", "Send", "run"]

Params = dict[str, Any]
Response = dict[str, Any]

# Yields the parameters of each request; its value is the answer to the application. A ClientError is thrown in.
Exchange = Generator[Params, Response, Response]
Send = Callable[..., Response]


def run(exchange: Exchange, send: Send) -> Response:
    """Send what an operation yields, one request after the other, and return its answer.

    Args:
        exchange: the operation.
        send: a method of boto3's.
    """
    try:
        params = next(exchange)
        while True:
            try:
                response = send(**params)
            except ClientError as error:  # the operation raises it again, with what it can add
                params = exchange.throw(error)
            else:
                params = exchange.send(response)
    except StopIteration as stop:
        answer: Response = stop.value
        return answer
