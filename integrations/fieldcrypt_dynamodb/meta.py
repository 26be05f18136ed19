"""What stands around a client: the `meta` in which a Table or resource has it, and whether it belongs to one."""

from __future__ import annotations

from typing import Any

from fieldcrypt_dynamodb.wrapper import passed_member

__all__ = ["Meta", "is_of_resource"]

_CONVERSION = "dynamodb-attr-value-input"  # the id under which a resource has boto3 convert its client's values
_PASSED = frozenset({"data", "identifiers", "resource_model", "service_name"})


class Meta:
    """The `meta` of a Table or resource that is wrapped.

    Attributes:
        client: encrypts and decrypts, in Python's form, as boto3's own has it there.
    """

    def __init__(self, meta: Any, client: Any) -> None:
        self._meta = meta
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return passed_member(self, "_meta", name, _PASSED, "meta")


def is_of_resource(client: Any) -> bool:
    """Return True if a client is that of a resource, whose values boto3 converts from Python's form and to it.

    Nothing is changed, and no handler is called: asked to remove a handler that is counted, botocore refuses if it was
    registered without a count, and ignores an id that it does not know.
    """
    events = getattr(getattr(client, "meta", None), "events", None)
    if events is None:
        return False
    try:
        events.unregister("before-parameter-build.dynamodb", unique_id=_CONVERSION, unique_id_uses_count=True)
    except ValueError:
        return True
    return False
