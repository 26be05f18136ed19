"""What a column of text or JSON holds: values in text form (SPEC section 13), and plaintext for a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldcrypt import ConfigurationError, DecryptionError, Field
from fieldcrypt.spi import Accepted, Codec, is_envelope, text_form
from fieldcrypt_sqlalchemy.value.storage import TextStorage

__all__ = ["binary", "opening", "plaintext_writer", "reading", "sealing"]


def sealing(field: Field[Any]) -> Callable[..., Any]:
    """Return what encrypts a value to what the column holds, like `Field.encrypt`."""
    encrypt, encode = field.encrypt, text_form.encode

    def seal(value: Any, *, tenant: str | None = None, context: Any = None) -> str:
        return encode(encrypt(value, tenant=tenant, context=context))

    return seal


def plaintext_writer(field: Field[Any], accepted: Accepted, described: str, *, is_text: bool) -> Callable[..., Any]:
    """Return what takes the place of `Field.encrypt` while a column is read in both forms, and written in plaintext.

    It refuses what could not be encrypted later, and what could not be read again.
    """
    encoded = Codec(field.type).encode

    def write(value: Any, *, tenant: str | None = None, context: Any = None) -> Any:
        if not accepted.accepts_plaintext():
            raise ConfigurationError(
                f"the time in which {described} accepts plaintext is over: leave out write=False, so that values are "
                "encrypted"
            )
        encoded(value)
        if is_text:
            check_plaintext(value, described)
            return value
        data = value.encode() if isinstance(value, str) else value
        if is_envelope(data):
            raise ValueError(f"a value of {described} looks like an encrypted one: it can be stored encrypted only")
        return data

    return write


def check_plaintext(value: Any, described: str) -> None:
    """Refuse to write plaintext that would be taken for an encrypted value.

    Raises:
        ValueError: it would.
    """
    if text_form.is_marked(value):
        raise ValueError(
            f"a value of {described} begins with {text_form.PREFIX!r}, as encrypted values do, so that it would not be "
            "read again as plaintext: it can be stored encrypted only"
        )


def opening(storage: TextStorage, field: Field[Any], decrypt: Callable[..., Any], mixed: bool) -> Callable[..., Any]:
    """Return what reads what the column holds, like `decrypt`, which reads values in binary form, and plaintext.

    Args:
        storage: of the column.
        field: of the column.
        decrypt: a Field's or a MixedField's.
        mixed: whether it takes anything but the field's own values.
    """

    def open_(stored: Any, **place: Any) -> Any:
        try:
            data = binary(storage, stored, mixed)
        except DecryptionError as error:
            raise field.reported_error(error, tenant=place.get("tenant")) from None
        return decrypt(data, **place)

    return open_


def binary(storage: TextStorage, stored: Any, mixed: bool) -> Any:
    """Return the binary form of a value, or plaintext as it is.

    Args:
        storage: of the column.
        stored: what the column holds.
        mixed: whether there may be plaintext, or text of other schemes.

    Raises:
        DecryptionError: it is neither.
    """
    if not mixed:
        return text_form.decode(stored)
    if text_form.is_marked(stored):
        value = text_form.decode(stored)
        if is_envelope(value):
            return value
    elif isinstance(stored, str) or (storage.is_json and not isinstance(stored, bytes)):
        return stored
    raise DecryptionError


def reading(from_driver: Callable[[Any], Any] | None, decrypt: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what decrypts a value that came from the driver."""

    def process(value: Any) -> Any:
        stored = value if from_driver is None else from_driver(value)
        return None if stored is None else decrypt(stored)

    return process
