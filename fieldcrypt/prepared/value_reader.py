"""What reads the values of a field one after the other, as rows bring them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldcrypt import _system
from fieldcrypt.errors import FieldcryptError
from fieldcrypt.format.aead import LONG, InvalidTag
from fieldcrypt.format.codecs import BYTES_BYTE, TEXT_BYTE
from fieldcrypt.format.envelope import GCM_NONCE, PREFIX
from fieldcrypt.format.scalars import REFUSALS
from fieldcrypt.prepared.readers import NO_READER

__all__ = ["value_reader"]

_TEXT_MARK = TEXT_BYTE.decode()
_REFUSED = (ValueError, FieldcryptError, *REFUSALS)


def value_reader(field: Any, tenant: Any, otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a callable of one value, which returns it decrypted; None for None.

    It is what `Field.decrypt` does for a value whose key is at hand. A closure, for that is the quickest in Python.

    Args:
        field: the Field whose values are read.
        tenant: whose they must be, as for `Field.decrypt`.
        otherwise: called with all that is not read at once; it returns the value, or raises.
    """
    find, decode, read_scalar = field._recent_readers.get, field._codec.decode, field._read
    is_text, is_bytes, not_a_value = field._reads_text, field._is_bytes, field._readers.count

    def read(data: Any) -> Any:
        if data is None:
            return None
        if data.__class__ is bytes and len(data) <= LONG:
            decrypt, aad, key, infix, infix_at, body_at, anyone = find(data[PREFIX], NO_READER)
            if (
                key.at_hand_until > _system.monotonic()
                and (tenant is anyone or (tenant is not None and tenant == key.record.tenant))
                and (not infix or data[infix_at] == infix)
            ):
                try:
                    plaintext = decrypt(data[GCM_NONCE], data[body_at], aad)
                    if is_text:
                        marked = plaintext.decode()
                        text = marked.removeprefix(_TEXT_MARK)
                        if len(text) < len(marked):
                            return text
                    elif read_scalar is not None:
                        value = read_scalar(plaintext)
                        if value is not None:
                            return value
                    elif is_bytes:
                        body = plaintext.removeprefix(BYTES_BYTE)
                        if len(body) < len(plaintext):
                            return body
                    return decode(plaintext)
                except InvalidTag:
                    pass  # said below, by what also tells the observers
                except _REFUSED:
                    not_a_value(key, -1)  # likewise, where it is counted again
        plaintext = marked = text = body = value = None  # which may be of another type: not for a traceback
        try:
            return otherwise(data)
        except BaseException:
            del data  # which is plaintext where nothing encrypted it
            raise

    return read
