"""Readers of values that another scheme encrypted, for as long as such values exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyShreddedError
from fieldcrypt.field import Field
from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["LegacyReader", "read_either"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class LegacyReader(Protocol[T_co]):
    """Reads the values of another scheme as those of a field. Safe to use from many threads.

    Callers (mixed mode, backfill, `read_either`) ask `recognises` first, and decide by what `read` has authenticated,
    never by the form alone. They report a value that no reader accepts, so a reader that uses a Field uses
    `Field.quiet`.
    """

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form of this scheme's values.

        Cheap, uses no keys, and proves nothing. True for every value of the scheme, and rarely for anything else. Never
        raises.
        """
        ...

    def read(
        self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None
    ) -> T_co:
        """Authenticate and decrypt a value.

        Args:
            data: what the database has: bytes, or a str where the scheme writes text.
            tenant: the tenant whose value it must be, if any.
            context: what `Field.decrypt` would get, such as `{"row": "42"}`, for schemes that bind values too.

        Returns:
            The value, exactly of the field's type.

        Raises:
            DecryptionError: it is not an authentic value of the scheme, with this tenant and context. Neither the error
                nor its causes contain data, plaintext or keys.
            KeyProviderError: the scheme's keys cannot be fetched, so nothing is known about the value.
        """
        ...


@discreet
def read_either(
    field: Field[T],
    readers: Iterable[LegacyReader[T]],
    data: bytes | str,
    *,
    tenant: str | NoTenant | None = None,
    context: Mapping[str, str] | None = None,
) -> T:
    """Return the value of a field, whether the field or another scheme encrypted it. Plaintext is refused.

    Forms overlap: a message of the AWS Encryption SDK begins with the same byte as one of our values. So the form only
    decides who is asked first, and the reader that authenticates the value returns it. Planting a message of an old
    scheme gains nothing that its reader does not accept anyway.

    Args:
        field: the field.
        readers: of the schemes that values may still be of, asked in this order; one that does not authenticate, last.
        data: what the database has.
        tenant, context: as for `Field.decrypt`.

    Raises:
        DecryptionError: neither the field nor a reader that recognises the value takes it.
        KeyProviderError, KeyStoreError: as for `Field.decrypt` and `LegacyReader.read`; no other reader is asked then.
    """
    refused = False
    for reader in readers:
        if reader.recognises(data):
            try:
                return reader.read(data, tenant=None if tenant is NO_TENANT else tenant, context=context)
            except DecryptionError:
                refused = True
    if isinstance(data, str):
        raise field.reported_error(DecryptionError(), tenant=tenant)
    try:
        return field.decrypt(data, tenant=tenant, context=context)
    except KeyNotFoundError as error:
        # In a forged message of another scheme, what looks like a key id is not one.
        if not refused or isinstance(error, KeyShreddedError):
            raise
    raise field.reported_error(DecryptionError(), data, tenant)
