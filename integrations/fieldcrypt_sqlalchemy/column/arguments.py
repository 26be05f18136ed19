"""The arguments of `Encrypted`, checked first, so that messages are about what was given."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import TypeEngine, to_instance

from fieldcrypt import ConfigurationError, Encryptor

__all__ = ["check_encryptor", "inner_type"]


def inner_type(type_: Any) -> TypeEngine[Any]:
    """Return the type of the values.

    Raises:
        ConfigurationError: it is none of SQLAlchemy's.
    """
    if isinstance(type_, type) and not issubclass(type_, TypeEngine):
        raise ConfigurationError(f"Encrypted takes a SQLAlchemy type, such as String, not {type_.__name__}")
    instance = to_instance(type_)
    if not isinstance(instance, TypeEngine):
        raise ConfigurationError(
            f"Encrypted takes a SQLAlchemy type, such as String, not an instance of {type(instance).__name__}"
        )
    return instance


def check_encryptor(encryptor: Any) -> None:
    """Refuse what is not an Encryptor.

    Raises:
        ConfigurationError: it is something else.
    """
    if encryptor is not None and not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"Encrypted(type, encryptor) takes an Encryptor, not {type(encryptor).__name__}")
