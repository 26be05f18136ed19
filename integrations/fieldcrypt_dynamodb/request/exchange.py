"""Operations without I/O: generators that yield what is to be sent, and are sent what DynamoDB answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from fieldcrypt import FieldcryptError
from fieldcrypt_dynamodb.request.parameters import misshapen

__all__ = ["Exchange", "Params", "Response", "Send", "checked", "run"]

Params = dict[str, Any]
Response = dict[str, Any]

# Yields the parameters of each request; its value is the answer to the application. A ClientError is thrown in.
Exchange = Generator[Params, Response, Response]
Send = Callable[..., Response]


def checked(operation: Callable[[Params], Exchange], params: Params, client: Any, name: str) -> Exchange:
    """Return an operation that says what boto3 says, but no values, if it fails for the shape of its parameters.

    Args:
        operation: of what is protected.
        params: its parameters.
        client: of boto3, with the model of its operations.
        name: the method's.

    Raises:
        ParamValidationError: one is missing, or is not of the type that it has to be.
    """
    try:
        return (yield from operation(params))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        meta = client.meta
        shape = meta.service_model.operation_model(meta.method_to_api_mapping[name]).input_shape
        wrong = "" if isinstance(error, FieldcryptError) else "\n".join(misshapen(params, shape))
        if not wrong:
            raise
    raise ParamValidationError(report=wrong)


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
