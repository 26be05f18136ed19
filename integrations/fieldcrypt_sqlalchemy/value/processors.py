"""What is done with single values on their way to the driver, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from fieldcrypt import DecryptionError, Field, FieldcryptError
from fieldcrypt.spi import emptied, located
from fieldcrypt_sqlalchemy.errors import parameterless_error

__all__ = ["binary_type", "binding", "returns_plaintext", "reading_binary", "revealing"]

Process = Callable[[Any], Any]

_revealing: WeakSet[Process] = WeakSet()  # next to them, because a native callable has no attributes


def binary_type(dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the binary type without a small limit, of databases where the usual one has it; None of others."""
    if dialect.name in ("mysql", "mariadb"):
        from sqlalchemy.dialects.mysql import LONGBLOB  # here, for those who use another database

        return LONGBLOB()
    if dialect.name == "mssql":
        from sqlalchemy.dialects.mssql import VARBINARY

        # Else IMAGE, until SQLAlchemy has seen the server's version.
        return VARBINARY("max")  # type: ignore[no-untyped-call]
    return None


def binding(
    to_field: Process | None, as_is: Any, encrypt: Callable[..., Any], to_driver: Process | None, field: Field[Any]
) -> Process:
    """Return what encrypts a value on its way to the driver.

    Args:
        to_field: makes of a value what the field takes; None: it is that.
        as_is: the class whose values need no `to_field`, or None.
        encrypt: as `Field.encrypt`.
        to_driver: wraps what the column is to hold; None: the driver takes it as it is.
        field: the column's, for messages.
    """

    def process(value: Any) -> Any:
        if value is None:
            return None
        try:
            if to_field is not None and value.__class__ is not as_is:
                value = to_field(value)
                if value is None:
                    return None
            data = encrypt(value)
            return data if to_driver is None else to_driver(data)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=field.name))
        except BaseException as error:
            del value
            emptied(error)
            raise
        del value
        raise refused

    return process


def reading_binary(decrypt: Process, field: Field[Any], *, mixed: bool) -> Process:
    """Return what decrypts a value that came from the driver, of a binary column.

    Args:
        decrypt: as `Field.decrypt`.
        field: the column's.
        mixed: there may be plaintext, or values of other schemes.
    """
    may_be_stored = (bytes, memoryview, str) if mixed else (bytes, memoryview)

    def process(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, may_be_stored):  # SQLite lets anyone put anything into a column
            del value
            raise field.reported_error(DecryptionError())
        try:
            return decrypt(value)
        except BaseException:
            del value  # which may be plaintext, where that is accepted
            raise

    return process if mixed else field.reader(otherwise=process)


def revealing(read: Process, from_field: Process | None, field: Field[Any]) -> Process:
    """Return what reads values as the application has them, and note that it returns plaintext.

    Args:
        read: decrypts what came from the driver.
        from_field: makes of a decrypted value one of the application's; None: it is that.
        field: the column's.
    """

    def convert(value: Any) -> Any:
        try:
            plain = read(value)
        except BaseException:
            del value
            raise
        try:
            return None if plain is None else from_field(plain)  # type: ignore[misc]  # it is not used without
        except DecryptionError as error:
            refused: BaseException = field.reported_error(error, value)
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = emptied(error)
        del plain
        raise refused from None

    process = read if from_field is None else convert
    _revealing.add(process)
    return process


def returns_plaintext(process: Process | None) -> bool:
    """Return True if `revealing` has made this function."""
    try:
        return process in _revealing
    except TypeError:  # it has no hash, so it is another type's
        return False
