"""The values of several fields at once, as those of a record: one look at the data key, one draw of nonces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fieldcrypt.errors import FieldcryptError, located
from fieldcrypt.field import Field
from fieldcrypt.format._text import redacted_error
from fieldcrypt.format.codecs import TEXT_BYTE
from fieldcrypt.format.context import RowContext

__all__ = ["encrypt_fields"]


def encrypt_fields(
    parts: Iterable[tuple[Field[Any], Any, Mapping[str, str] | None]], *, tenant: str | None = None
) -> list[bytes]:
    """Encrypt values of fields of one Encryptor, in less time than `Field.encrypt` takes for one after the other.

    Args:
        parts: a field, a value and its context each, as for `Field.encrypt`.
        tenant: whose data key to use.

    Returns:
        What `Field.encrypt` returns for each of them, in their order.

    Raises:
        ValueError: the fields are not all of one Encryptor.
        Else as `Field.encrypt`, and nothing is encrypted.
    """
    plaintexts: list[Any] = []
    contexts: list[bytes] = []
    field = encryptor = None
    try:
        for field, value, context in parts:
            if value.__class__ is str and field._is_text:
                plaintexts.append(TEXT_BYTE + value.encode())
            else:
                plaintexts.append(field._encode(value))
            if context is None:
                contexts.append(field._own)
            elif context.__class__ is RowContext and field._rows_are_last:
                contexts.append(field._own + context.encoded)
            else:
                contexts.append(field._bound(context))
            if field._encryptor is not encryptor:
                if encryptor is not None:
                    raise ValueError("the fields of a batch have one Encryptor")
                encryptor = field._encryptor
        return [] if field is None else field._writers.seal(tenant, plaintexts, contexts)
    except UnicodeEncodeError as error:
        refused: Exception = redacted_error(error)
    except (FieldcryptError, TypeError, ValueError) as error:
        refused = error
    raise located(refused, field=None if field is None else field.name, tenant=tenant)
