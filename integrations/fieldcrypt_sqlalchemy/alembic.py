"""Migrations that Alembic generates: they know nothing of fieldcrypt, only of binary columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fieldcrypt.blind_index import MAX_TAG_SIZE
from fieldcrypt_sqlalchemy.companion import BlindIndexTag
from fieldcrypt_sqlalchemy.types import Encrypted

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

__all__ = ["render_item"]


def render_item(kind: str, item: object, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render the types of protected columns, and of their companions, as what the database sees: binary.

        context.configure(…, render_item=render_item)

    Without it Alembic writes the name of a class of fieldcrypt into the migration, which fails there. What is rendered
    is the same whatever database was at hand, and right on each.

    Args:
        kind: what is to be rendered; only types are, here.
        item: the type.
        autogen_context: told what the migration has to import, of SQLAlchemy.

    Returns:
        An expression, or False: Alembic, or the application's own function, is to render the item.
    """
    if kind != "type" or not isinstance(item, (Encrypted, BlindIndexTag)):
        return False
    prefix = autogen_context.opts["sqlalchemy_module_prefix"] or ""
    if isinstance(item, BlindIndexTag):
        on_mysql = f"{prefix}VARBINARY(length={MAX_TAG_SIZE})"
    else:
        on_mysql = "mysql.LONGBLOB()"
        autogen_context.imports.add("from sqlalchemy.dialects import mysql")
    return f"{prefix}LargeBinary().with_variant({on_mysql}, 'mysql', 'mariadb')"
