"""Tables whose fields are named by a logical name."""

from __future__ import annotations

from fieldcrypt._base.logical_names import Place
from fieldcrypt.encryptor import Encryptor

__all__ = ["declare_table"]


def declare_table(
    encryptor: Encryptor,
    name: str,
    owner: object,
    *,
    table: str,
    has_tenants: bool,
    same_place: bool = False,
    chosen: bool = False,
) -> None:
    """Note whose table has a logical name: two tables of one name would be one place for all values (SPEC section 9).

    Errors about values that do not decrypt then say that the table has, or may have had, another name.

    Args:
        encryptor: whose keys the values are under.
        name: the logical name, from which fields take theirs, `name.attribute`.
        owner: what describes the table. It counts while it is in use, and a later call replaces an earlier one.
        table: what the table is really called, with its schema.
        has_tenants: True if its values are under the keys of tenants.
        same_place: True if values may be moved between this table and others of the name.
        chosen: True if the application chose the name; False if it is the table's own, which may have been different
            when values were written.

    Raises:
        ConfigurationError: another table has this name, not both have tenants, and neither says `same_place`.
    """
    encryptor._names.declare(name, owner, Place(table, None, has_tenants, same_place, chosen))
