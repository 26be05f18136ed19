"""The client of a boto3 Table or resource, without boto3's own conversions of values.

A resource makes its client convert by event handlers, which deep-copy what is sent, and walk through each request and
each response along the shapes of the operation's model. Here they are given a model without shapes to walk through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

from boto3.dynamodb.transform import ParameterTransformer
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.client import BaseClient

from fieldcrypt import ConfigurationError

__all__ = ["method_of", "wire_client"]

_COPIED_AT = "provide-client-params."
_CONVERTED_AT = ("before-parameter-build.", "after-call.")
_CALL = "_make_api_call"  # what all methods call


def wire_client(client: Any) -> Any:
    """Return a client that takes and gives values in DynamoDB's own form, whatever a resource made of this one.

    It shares all else with the client, which is not changed: credentials, retries, connections, and what is set
    on it or registered with its events later.

    Args:
        client: of boto3.

    Raises:
        ConfigurationError: it is something else.
    """
    kind = type(client)
    if not issubclass(kind, BaseClient):
        raise ConfigurationError(
            f"a {kind.__module__}.{kind.__qualname__} is not a boto3 client: give EncryptedClient one like it, "
            "of which no resource was made"
        )
    # A slot takes precedence over the dictionary of the instances, which is the same.
    other: Any = object.__new__(type(kind.__name__, (kind,), {"__slots__": ("meta",)}))
    other.__dict__ = client.__dict__
    other.meta = copy(client.meta)
    other.meta.events = _Events(client.meta.events)
    return other


def method_of(client: Any, name: str) -> Callable[..., Any]:
    """Return a method that takes and gives values in DynamoDB's own form.

    What a program has put in place of a method of its client, like the spy of a test, usually calls that method, and
    with it boto3's conversions. So it is given Python's form, as by boto3, and returns that.

    Args:
        client: of `wire_client`, or one whose values have DynamoDB's own form anyway.
        name: the method's.
    """
    own = client.__dict__
    if (name in own or _CALL in own) and isinstance(client.meta.events, _Events):
        return _in_python_s_form(client, name)
    return getattr(client, name)  # type: ignore[no-any-return]


def _in_python_s_form(client: Any, name: str) -> Callable[..., Any]:
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[name])

    def converted(values: Any, shape: Any, convert: Callable[[Any], Any]) -> Any:
        new = deepcopy(values)
        ParameterTransformer().transform(new, shape, convert, "AttributeValue")
        return new

    def answer(response: Any) -> Any:
        return converted(response, model.output_shape, TypeSerializer().serialize)

    async def awaited(response: Any) -> Any:
        return answer(await response)

    def call(**params: Any) -> Any:
        response = getattr(client, name)(**converted(params, model.input_shape, TypeDeserializer().deserialize))
        return awaited(response) if inspect.isawaitable(response) else answer(response)

    return call


class _Params(dict[str, Any]):
    """Parameters that nothing else refers to: a deep copy of them would be one too many."""

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return dict(self)


class _Opaque:
    """Shows all that an object has, but for some attributes."""

    def __init__(self, shown: Any, **instead: Any) -> None:
        self._shown = shown
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shown, name)


class _Events:
    """The events of a client, whose handlers find nothing to convert."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self._models: dict[str, Any] = {}

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        if event_name.startswith(_CONVERTED_AT):
            kwargs["model"] = self._without_shapes(kwargs["model"])
        elif event_name.startswith(_COPIED_AT):
            kwargs["params"] = _Params(kwargs["params"])
        return self._events.emit(event_name, **kwargs)

    def _without_shapes(self, model: Any) -> Any:
        found = self._models.get(model.name)
        if found is None:
            shapes = {name: _without_type(getattr(model, name)) for name in ("input_shape", "output_shape")}
            found = self._models[model.name] = _Opaque(model, **shapes)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)


def _without_type(shape: Any) -> Any:
    return None if shape is None else _Opaque(shape, type_name="converted")
