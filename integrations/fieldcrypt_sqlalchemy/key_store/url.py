"""The key store in a SQL database, from a URL: for settings."""

from __future__ import annotations

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.key_store.store import SqlKeyStore

__all__ = ["store_from_url"]

_SCHEME = "sql:"


def store_from_url(url: str) -> SqlKeyStore:
    """Make a store over an engine of its own: `sql:` and a URL of SQLAlchemy, `sql:postgresql+psycopg://shop@db/shop`.

    An application with an engine gives the store that one instead: `settings.configure(encryptor, store=…)`.

    Raises:
        ConfigurationError: it is no URL of SQLAlchemy, or its driver is not installed. No message shows any of it,
            because it may hold a password.
    """
    try:
        target = make_url(url.removeprefix(_SCHEME))
        if target.get_dialect().is_async:
            from sqlalchemy.ext.asyncio import create_async_engine

            return SqlKeyStore(create_async_engine(target, hide_parameters=True))
        return SqlKeyStore(create_engine(target, hide_parameters=True))
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the driver of its database is not installed: there is no {error.name}") from None
    except NoSuchModuleError:
        raise ConfigurationError("SQLAlchemy knows no such dialect or driver") from None
    except (ArgumentError, TypeError, ValueError):  # which quote the URL, or what they took for its port
        raise ConfigurationError(
            "what follows sql: is not a URL of SQLAlchemy, like postgresql+psycopg://user@host/database; are special "
            "characters in its password percent-encoded?"
        ) from None
