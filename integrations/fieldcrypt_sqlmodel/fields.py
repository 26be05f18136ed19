"""Fields of SQLModel's models whose columns fieldcrypt protects."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted

__all__ = ["protected_field", "tag_field"]


def protected_field(type_: Encrypted, default: Any = ..., **how: Any) -> Any:
    """Declare a field with an encrypted column; its value is not in the model's repr.

        email: str = protected_field(Encrypted(String, index="email_tag"))

    Args:
        type_: the column's type, which says all that is special about it.
        default: the field's; it has to be given if there is none.
        how: what else `sqlmodel.Field` takes of a value, such as `max_length`, `exclude` or `default_factory`.

    Raises:
        ConfigurationError: the type is not encrypted, or the column is to have what encrypted values cannot have.
    """
    if not isinstance(type_, Encrypted):
        raise ConfigurationError("protected_field(Encrypted(String, …)): the type of the column, which is encrypted")
    if how.keys() & {"sa_type", "sa_column"}:
        raise ConfigurationError(
            "protected_field(Encrypted(…)) makes the column itself: leave out sa_type and sa_column"
        )
    impossible = [each for each in ("index", "unique", "primary_key", "foreign_key") if how.get(each)]
    if impossible:
        raise ConfigurationError(
            f"an encrypted column has no {impossible[0]}: equal values have different ciphertexts. A companion, "
            'Encrypted(…, index="…"), is searched, and can be unique: tag_field(unique=True)'
        )
    if "default_factory" not in how:
        how["default"] = default
    return Field(sa_type=type_, **{"repr": False, **how})


def tag_field(*, unique: bool = False, array: bool = False) -> Any:
    """Declare the companion of a searchable field: `email_tag: bytes | None = tag_field()`.

    It is in no repr, no JSON, no response and no schema of one; only fieldcrypt fills it. An index with several levels
    has a companion for each, or one that is an array.

    Args:
        unique: no two rows have equal values in the searchable field; of one tenant, if tags are per tenant.
        array: it is an array of tags, on PostgreSQL, of an index with `one_companion=True`.
    """
    type_: Any = BlindIndexTag(array)
    return Field(default=None, sa_type=type_, index=not unique, unique=unique, exclude=True, repr=False)
