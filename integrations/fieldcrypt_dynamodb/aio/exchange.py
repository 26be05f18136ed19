"""Operations whose requests are awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.aio.steps import in_thread
from fieldcrypt_dynamodb.request.exchange import Exchange, Response

__all__ = ["run_async"]


class _Step(NamedTuple):
    """What an operation yields, or its answer. A future cannot raise StopIteration, by which generators return."""

    found: dict[str, Any]
    is_answer: bool


@discreet
async def run_async(exchange: Exchange, send: Callable[..., Awaitable[Response]]) -> Response:
    """Send what an operation yields, one request after another, and return its answer.

    The operation itself, which encrypts and decrypts and may ask a key service, runs in a thread. A request that is
    cancelled before it was sent is not sent; one that was sent may have been carried out.

    Args:
        exchange: the operation.
        send: a method of aioboto3's or aiobotocore's.
    """
    step = await in_thread(partial(_step, exchange.send, None))
    while not step.is_answer:
        try:
            response = await send(**step.found)
        except ClientError as error:  # the operation raises it again, with what it can add
            step = await in_thread(partial(_step, exchange.throw, error))
        else:
            step = await in_thread(partial(_step, exchange.send, response))
    return step.found


def _step(go_on: Callable[[Any], dict[str, Any]], argument: Any) -> _Step:
    try:
        return _Step(go_on(argument), is_answer=False)
    except StopIteration as stop:
        return _Step(stop.value, is_answer=True)
