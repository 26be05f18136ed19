"""What the plain attributes of an entity must not have, so that its items are not taken for another's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fieldcrypt.spi import is_envelope
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.entities.entity import Entity, can_be_turned
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.values import bytes_of, plain_bytes

__all__ = ["Guard"]


class Guard:
    """The attributes that are plain in one entity, and protected or filled by fieldcrypt in others.

    Anybody who can write to the table can change the attribute that tells two entities apart. A program would then take
    an item for one whose attributes are plain, and see ciphertext, or put the item back in plaintext.

    Args:
        name: the entity; None for items whose entity is not known.
        entities, tables: all of the table, by name, and their descriptions.

    Attributes:
        names: these attributes.
        shared: those that hold tags with a prefix in other entities, and may hold other values too.
    """

    def __init__(
        self, name: str | None, entities: Mapping[str, Entity], tables: Mapping[str, TableDescription]
    ) -> None:
        own: frozenset[str] = frozenset() if name is None else tables[name].own | tables[name].tops
        self._protected_in: dict[str, str] = {}
        self._turned_from: dict[str, str] = {}
        self._prefixes: dict[str, tuple[str | None, ...]] = {}
        self._sizes: dict[tuple[str, str | None], int] = {}  # of tags in bytes
        for other, table in tables.items():
            if other == name:
                continue
            filled = table.indexes.companions.keys() - own
            for companion in filled:
                how = table.indexes.companions[companion].how
                prefix, size = how.prefix, how.tag_size
                self._prefixes[companion] = (*self._prefixes.get(companion, ()), prefix)
                self._sizes[companion, prefix] = size
            self._protected_in |= dict.fromkeys((table.own | table.tops) - own - filled, other)
            if name is not None and can_be_turned(entities[name], entities[other]):
                self._turned_from |= dict.fromkeys(table.tops - own, other)
        self.names = frozenset(self._protected_in) | frozenset(self._prefixes)
        self.shared = frozenset(name for name, prefixes in self._prefixes.items() if None not in prefixes)

    def reason(self, attribute: str, value: Any, form: Form) -> str | None:
        """Return what is wrong with the value of an attribute; None if nothing is."""
        if form.is_null(value):
            return None
        if (reason := self.reason_to_be_absent(attribute)) is not None:
            return reason
        data = bytes_of(value) if form is WIRE else plain_bytes(value)
        if attribute in self._protected_in and _has_envelope(value):
            return f"it has the form of an encrypted value, which belongs to {self._protected_in[attribute]!r}"
        for prefix in self._prefixes.get(attribute, ()):
            text = form.text_of(value)
            is_binary = isinstance(data, bytes) or _is_binary_set(value)
            if is_binary if prefix is None else text is not None and text.startswith(prefix):
                how = "is binary" if prefix is None else f"begins with {prefix!r}"
                return f"it {how}, as the tags of another entity do"
        return None

    def reason_to_be_absent(self, attribute: str) -> str | None:
        """Return why an attribute must have no value at all; None if it may have one."""
        if attribute not in self._turned_from:
            return None
        return (
            f"it is protected in {self._turned_from[attribute]!r}, and only an attribute tells the two entities "
            "apart: give it another name, or tell them apart by the form of the key"
        )

    def plaintext_in(self, key: Mapping[str, Any], form: Form) -> str | None:
        """Return an attribute of a key that has the prefix of tags, but is not a tag; None if there is none.

        A key says where a scan continues, and may be that of any item.
        """
        for name in self._prefixes.keys() & key.keys():
            for prefix in filter(None, self._prefixes[name]):
                text, digits = form.text_of(key[name]) or "", 2 * self._sizes[name, prefix]
                if text.startswith(prefix) and not re.fullmatch(f"[0-9a-f]{{{digits}}}", text[len(prefix) :]):
                    return name
        return None

    def wrong(self, item: Mapping[str, Any], form: Form) -> tuple[str, str] | None:
        """Return an attribute of an item, and what is wrong with it; None if nothing is."""
        if self.names.isdisjoint(item):
            return None
        for name in self.names & item.keys():
            if (reason := self.reason(name, item[name], form)) is not None:
                return name, reason
        return None


def _is_binary_set(value: Any) -> bool:
    """Return True if a value, in either form, is a set of binary ones."""
    if isinstance(value, Mapping):
        return "BS" in value
    return isinstance(value, (set, frozenset)) and any(isinstance(plain_bytes(each), bytes) for each in value)


def _has_envelope(value: Any) -> bool:
    """Return True if a value, in either form, has the form of an encrypted one, or something in it has."""
    if isinstance(value, Mapping):
        return any(map(_has_envelope, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_has_envelope, value))
    data = plain_bytes(value)
    return isinstance(data, bytes) and is_envelope(data)
