"""The forms in which users have an item outside boto3's objects, and the conversion between them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_dynamodb.item.values import KINDS, plain_bytes

__all__ = ["ItemForm", "check_form", "converted", "has_text_for_bytes"]


# Python's, as a Table of boto3 takes and gives it; DynamoDB's own, as a client does; and that with base64 text in place
# of bytes, as events and files have it.
ItemForm = Literal["python", "dynamodb", "json"]
_NO_VALUE = 'expected values in DynamoDB\'s form, {"S": "text"} for example'


def converted(item: Mapping[str, Any], form: ItemForm, to: ItemForm) -> dict[str, Any]:
    """Return an item in another form.

    Raises:
        TypeError: it is not a mapping, or a value does not have this form.
        ValueError: there is no such form, or a text is not base64.
    """
    _check_mapping(item)
    for name in (form, to):
        if name not in get_args(ItemForm):
            raise ValueError(f'an item has the form "python", "dynamodb" or "json", not {name!r}')
    if form == to:
        return dict(item)
    if form == "python":
        item = PYTHON.serialize_item(item)
    elif form == "json":
        item = {name: _with(_decoded, value) for name, value in item.items()}
    if to == "python":
        return PYTHON.deserialize_item(item)
    return {name: _with(_encoded, value) for name, value in item.items()} if to == "json" else dict(item)


def check_form(item: Mapping[str, Any], form: ItemForm, key: Iterable[str]) -> None:
    """Refuse a stored item of another form than was named: its values would look as if they were not encrypted.

    Args:
        item: the stored item.
        form: the one that was named.
        key: the names of the table's key attributes.

    Raises:
        TypeError: it has another form.
    """
    _check_mapping(item)
    if form == "python":
        if any(isinstance(item.get(name), Mapping) for name in key):
            raise TypeError('the item has DynamoDB\'s form, and not Python\'s: form="dynamodb", or form="json"')
    elif has_text_for_bytes(item) and form == "dynamodb":
        raise TypeError('the item has text in place of bytes, as files and events have it: form="json"')


def _check_mapping(item: Any) -> None:
    if not isinstance(item, Mapping):
        hint = ": json.loads makes one of a line of JSON" if isinstance(item, (str, bytes)) else ""
        raise TypeError(f"an item is a mapping, not {type(item).__name__}{hint}")


def has_text_for_bytes(item: Mapping[str, Any]) -> bool:
    """Return True if an item has a binary value that is text."""
    return any(map(_has_text, item.values()))


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"expected base64 text, as JSON has it, got {type(text).__name__}")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        pass  # raised below, where no chained exception shows the text
    raise ValueError("expected base64 text, as JSON has it")


def _encoded(data: Any) -> str:
    return b64encode(plain_bytes(data)).decode()


def _has_text(value: Any) -> bool:
    kind, content = _parts(value)
    if kind == "B":
        return isinstance(content, str)
    if kind == "BS":
        return any(isinstance(member, str) for member in content)
    if kind == "M":
        return has_text_for_bytes(content)
    return kind == "L" and any(map(_has_text, content))


def _with(convert: Callable[[Any], Any], value: Any) -> Any:
    if value.__class__ is Unreadable:
        return value
    kind, content = _parts(value)
    if kind == "B":
        return {kind: convert(content)}
    if kind == "BS":
        return {kind: [convert(member) for member in content]}
    if kind == "M":
        return {kind: {name: _with(convert, member) for name, member in content.items()}}
    if kind == "L":
        return {kind: [_with(convert, member) for member in content]}
    return {kind: content}


def _parts(value: Any) -> tuple[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise TypeError(_NO_VALUE)
    ((kind, content),) = value.items()
    if kind not in KINDS:
        raise TypeError(_NO_VALUE)
    return kind, content
