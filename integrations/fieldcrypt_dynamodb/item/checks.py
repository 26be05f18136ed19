"""Whether the description of a table contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt.spi import DEFAULT_TAG_SIZE
from fieldcrypt_dynamodb.item.nested.met import Meaning

__all__ = ["check_arguments", "check_description", "check_members"]


def check_arguments(table: Any, encryptor: Any, key: Any, attributes: Any, fields: Any) -> None:
    """Refuse what does not name the table, the attributes of its key, or those that are protected.

    Raises:
        ConfigurationError: it does not.
    """
    if not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"ProtectedTable(name, encryptor): a {type(encryptor).__name__} is not an Encryptor")
    if not isinstance(table, str) or table.startswith("arn:"):
        raise ConfigurationError("ProtectedTable(name, encryptor): the name of a table, also where its ARN is used")
    is_sequence = isinstance(key, Sequence) and not isinstance(key, str)  # a set has no order
    if not is_sequence or not 1 <= len(key) <= 2 or not all(isinstance(name, str) for name in key):
        raise ConfigurationError(
            f'{table}: key=("hash",) or key=("hash", "range"): the names of the table\'s key attributes'
        )
    if fields is not None and not (isinstance(fields, str) and fields):
        raise ConfigurationError('ProtectedTable(…, fields="patients"): the logical name from which fields have theirs')
    if not isinstance(attributes, Mapping):
        raise ConfigurationError(f'{table}: attributes={{"ssn": str, …}}: each protected attribute with its type')
    for name, declared in attributes.items():
        if isinstance(declared, Mapping):
            raise ConfigurationError(f'{table}.{name}: what is nested is declared by its path, "{name}.…": str')


def check_description(table: Any) -> None:
    """Refuse a description that contradicts itself.

    Args:
        table: a `TableDescription`.

    Raises:
        ConfigurationError: it does.
    """
    if table.is_any:  # what is protected in one entity may be the tenant of another
        return
    if not table.attributes and not table.told_by:
        raise ConfigurationError(f"the table {table.name} has no protected attributes: attributes={{…}}")
    own = [*table.indexes.names, *([table.seal.attribute] if table.seal is not None else [])]
    bound_to = table.binding_attributes - (table.key_tags.keys() - {table.tenant})
    for attribute in own:
        if own.count(attribute) > 1 or attribute in table.tops or attribute in bound_to:
            raise ConfigurationError(f"the attribute {attribute!r} of {table.name} cannot hold tags or a seal as well")
    for attribute in table.tops:
        if attribute in table.binding_attributes | table.previous_attributes:
            raise ConfigurationError(f"{table.name}.{attribute} cannot be protected: it is a key, or the tenant")
    contexts = [field.context for field in table.fields.values()]
    for field in table.fields.values():
        if contexts.count(field.context) > 1:
            raise ConfigurationError(f"several protected attributes of {table.name} have the field {field.name!r}")
    if table.tenant is None and any(indexes.is_per_tenant for indexes in table.indexes.of.values()):
        raise ConfigurationError(f"{table.name} has tags per tenant, but no tenant=")
    if table.seal is not None:
        over = table.seal.over
        if not isinstance(over, (tuple, list)) or not over or not {table.seal.attribute, *table.key}.isdisjoint(over):
            raise ConfigurationError("a seal covers attributes by name, not itself, nor keys, to which it is bound")
        for name in over:
            if name in table.paths and table.paths[name].first != name:
                raise ConfigurationError(
                    f"a seal covers attributes at the top: of {name} the first part, with all in it"
                )
    _check_whole_members(table, set(own))
    _check_key_tags(table)


def check_members(table: Any) -> None:
    """Refuse a compound of what no item may have: it would never have a tag.

    Args:
        table: a `TableDescription`, with its shape.

    Raises:
        ConfigurationError: `plain` is given, and a member is neither protected nor in it.
    """
    for compound, members in table.indexes.members.items():
        for member in members:
            if table.shape.met((member,)).meaning is Meaning.UNKNOWN:
                raise ConfigurationError(
                    f"{table.name}.{compound}: its member {member!r} is not declared, neither protected nor plain={{…}}"
                )


def _check_whole_members(table: Any, own: set[str]) -> None:
    """Refuse a compound of what no item has at its top as a value of its own: it would never have a tag."""
    inner = {name for name, path in table.paths.items() if len(path.steps) > 1}
    for compound, members in table.indexes.members.items():
        for member in members:
            if not isinstance(member, str) or member in own:
                raise ConfigurationError(
                    f"{table.name}.{compound}: its member {member!r} is no attribute with a value of the application's"
                )
            if member in inner or (member in table.tops and member not in table.paths):
                raise ConfigurationError(
                    f"{table.name}.{compound}: its member {member!r} is nested, or has nested values; members are whole"
                )


def _check_key_tags(table: Any) -> None:
    """Refuse tags in a key that could not stay there, or would not tell items apart."""
    for companion, attribute in table.key_tags.items():
        what = f"{table.name}.{companion} is a key attribute, and holds tags"
        how = table.indexes.companions[companion].how
        if attribute in table.indexes.members:
            raise ConfigurationError(f"{what} of several attributes, of which an item may lack one")
        if len(table.paths[attribute].steps) > 1:
            raise ConfigurationError(f"{what} of a nested attribute, which updates change with the maps around it")
        if how.of is not None or how.partitions > 1:
            raise ConfigurationError(f"{what}: items are found by whole values, and by one tag of each")
        if how.rotates:
            raise ConfigurationError(
                f"{what}, which cannot change there: say that they stay as they are when index keys rotate, "
                f'IndexedBy("{companion}", rotates=False)'
            )
        if how.tag_size < DEFAULT_TAG_SIZE or table.attributes[attribute].accepted is not None or not table.bound:
            raise ConfigurationError(
                f"{what}: these need at least 16 bytes, so that no two values have one key; and values are bound to "
                "items, and encrypted from the first day on"
            )
