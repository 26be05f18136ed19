"""Migrations that Alembic generates name the types that the database has, and nothing of fieldcrypt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import MAX_TAG_SIZE
from fieldcrypt_sqlalchemy.alembic_version import danger_of_alembic
from fieldcrypt_sqlalchemy.column.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.column.type import Encrypted

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

__all__ = ["render_item"]

if danger := danger_of_alembic():
    raise ConfigurationError(danger)


def render_item(kind: str, item: object, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render the types of protected columns, and of their companions, as what the database sees: binary, or `storage`.

    The plugin, `fieldcrypt_alembic`, calls it, so that `env.py` need not name it, and may:

        context.configure(…, render_item=render_item)

    What is rendered does not depend on the database at hand, and is right on each; arrays of tags are PostgreSQL's.

    Args:
        kind: what is to be rendered; only types are, here.
        item: the type.
        autogen_context: told what the migration has to import, of SQLAlchemy.

    Returns:
        An expression, or False: Alembic, or the application's own function, is to render the item.
    """
    if kind != "type" or not isinstance(item, (Encrypted, BlindIndexTag)):
        return False
    if isinstance(item, Encrypted) and item.storage is not None:
        from alembic.autogenerate.render import _repr_type  # here, for those who have no Alembic

        return _repr_type(item.storage, autogen_context)
    if isinstance(item, BlindIndexTag) and item.array:
        autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
        return "postgresql.ARRAY(postgresql.BYTEA())"
    prefix = autogen_context.opts["sqlalchemy_module_prefix"] or ""
    dialect, variants = (
        ("oracle", _tag_variants(prefix)) if isinstance(item, BlindIndexTag) else ("mysql", _variants(prefix))
    )
    autogen_context.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return f"{prefix}LargeBinary(){variants}"


def _variants(prefix: str) -> str:
    return f".with_variant(mysql.LONGBLOB(), 'mysql', 'mariadb').with_variant({prefix}VARBINARY(length='max'), 'mssql')"


def _tag_variants(prefix: str) -> str:
    return (
        f".with_variant({prefix}VARBINARY(length={MAX_TAG_SIZE}), 'mysql', 'mariadb', 'mssql')"
        f".with_variant(oracle.RAW({MAX_TAG_SIZE}), 'oracle')"
    )
