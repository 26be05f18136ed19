"""The companions of searchable attributes: tags, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from pynamodb.constants import BINARY, BINARY_SET
from pynamodb.expressions.condition import Condition

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import AllEqual, discreet
from fieldcrypt_pynamodb.attribute.pending import Asked
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["BlindIndexAttribute", "BlindIndexSetAttribute", "Companion", "Tag"]

T = TypeVar("T")


class Tag(bytes):
    """A blind index tag. The companion takes nothing else, so that no plaintext gets there."""

    __slots__ = ()


Tag.__module__ = "fieldcrypt_pynamodb.companion"  # what pickles call it, as in 0.1


class Companion(ProtectedAttribute[T]):
    """An attribute that holds tags. fieldcrypt fills it; nobody else may."""

    @property
    def _label(self) -> str:
        """The attribute, for messages."""
        return f"the blind index attribute {self.attr_name!r}"

    def _refusal_error(self) -> ProtectedAttributeError:
        """Return the error for comparing or assigning tags."""
        return ProtectedAttributeError(
            f"{self._label} holds tags, which fieldcrypt makes: write and compare the attribute that it is the "
            "index of. exists() and does_not_exist() work"
        )

    def made_of(self, tags: Any) -> T:
        """Return the value with the tags that `FieldIndexes.tags` made."""
        raise NotImplementedError

    @discreet
    def __or__(self, other: Any) -> NoReturn:
        raise self._refusal_error()

    @discreet
    def set(self, value: Any) -> NoReturn:
        """Refuse: the tag follows the value."""
        raise self._refusal_error()

    def remove(self) -> NoReturn:
        """Refuse: the tag follows the value."""
        raise self._refusal_error()


class BlindIndexAttribute(Companion[bytes]):
    """The attribute that holds the tags of a searchable attribute, or of several together. fieldcrypt fills it.

        email = EncryptedAttribute(UnicodeAttribute(null=True), index="email_tag")
        email_tag = BlindIndexAttribute(null=True)

    It is absent where the searchable attribute is. As the key of an index it makes that searchable:

        class EmailIndex(GlobalSecondaryIndex["Patient"]):
            class Meta:
                projection = AllProjection()

            email_tag = BlindIndexAttribute(hash_key=True)

    Args:
        hash_key, range_key: of an index, in its class.
        null: always True.
        attr_name: its name in the item, if not that in the model.

    Raises:
        ConfigurationError: null is False.
    """

    attr_type = BINARY

    def __init__(
        self, *, hash_key: bool = False, range_key: bool = False, null: bool = True, attr_name: str | None = None
    ) -> None:
        if not null:
            raise ConfigurationError("a BlindIndexAttribute is absent where there is no value: null=True")
        super().__init__(hash_key=hash_key, range_key=range_key, null=True, attr_name=attr_name)

    @discreet
    def equals(self, **values: Any) -> Condition:
        """Return the condition that all members of a `CompoundIndex` have these values.

            Patient.scan(Patient.who_tag.equals(surname="Meyer", born=date(1980, 2, 29)))

        Args:
            values: of all members, by their names in the model; whole values, even where the index is of a part.
        """
        return Asked(self, AllEqual(values))

    def made_of(self, tags: Any) -> Tag:
        """Return the value with the tag that `FieldIndexes.tags` made."""
        return Tag(tags)

    @discreet
    def __set__(self, instance: Any, value: bytes | None) -> None:
        if value is not None and value.__class__ is not Tag:
            raise self._refusal_error()
        super().__set__(instance, value)

    @discreet
    def serialize(self, value: Any) -> bytes:
        """Return a tag as it is sent."""
        if value.__class__ is not Tag:
            raise self._refusal_error()
        return bytes(value)

    def deserialize(self, value: bytes) -> Tag:
        """Return a tag that was read."""
        return Tag(value)


class BlindIndexSetAttribute(Companion[frozenset[bytes]]):
    """The attribute that holds the tags of all levels of an index with `one_companion=True`, as a binary set.

        beginnings = IndexedBy("name_tags", of=Prefixes(3, 8), one_companion=True, accept_leakage=True)
        name = EncryptedAttribute(UnicodeAttribute(), index=beginnings)
        name_tags = BlindIndexSetAttribute(null=True)

    Only filters search it: DynamoDB has no index with such a key.

    Args:
        null: always True.
        attr_name: its name in the item, if not that in the model.

    Raises:
        ConfigurationError: null is False.
    """

    attr_type = BINARY_SET

    def __init__(self, *, null: bool = True, attr_name: str | None = None) -> None:
        if not null:
            raise ConfigurationError("a BlindIndexSetAttribute is absent where there is no value: null=True")
        super().__init__(null=True, attr_name=attr_name)

    def made_of(self, tags: Any) -> frozenset[bytes]:
        """Return the value with the tags that `FieldIndexes.tags` made."""
        return frozenset(map(Tag, tags))

    @discreet
    def __set__(self, instance: Any, value: Iterable[bytes] | None) -> None:
        if value is not None and not _are_tags(value):
            raise self._refusal_error()
        super().__set__(instance, None if value is None else frozenset(value))

    @discreet
    def serialize(self, value: Any) -> list[bytes]:
        """Return tags as they are sent."""
        if not _are_tags(value):
            raise self._refusal_error()
        return sorted(map(bytes, value))

    def deserialize(self, value: Iterable[bytes]) -> frozenset[bytes]:
        """Return tags that were read."""
        return frozenset(map(Tag, value))


def _are_tags(value: Any) -> bool:
    return isinstance(value, (set, frozenset)) and all(each.__class__ is Tag for each in value)
