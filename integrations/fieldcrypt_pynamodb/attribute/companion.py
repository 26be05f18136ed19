"""The companion of a searchable attribute: tags, and nothing else."""

from __future__ import annotations

from typing import Any, NoReturn

from pynamodb.constants import BINARY

from fieldcrypt import ConfigurationError
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["BlindIndexAttribute", "Tag"]


class Tag(bytes):
    """A blind index tag. The companion takes nothing else, so that no plaintext gets there."""

    __slots__ = ()


Tag.__module__ = "fieldcrypt_pynamodb.companion"  # what pickles call it, as in 0.1


class BlindIndexAttribute(ProtectedAttribute[bytes]):
    """The attribute that holds the tags of a searchable attribute. fieldcrypt fills it; nobody else may.

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

    @property
    def _label(self) -> str:
        """The attribute, for messages."""
        return f"the blind index attribute {self.attr_name!r}"

    def __set__(self, instance: Any, value: bytes | None) -> None:
        if value is not None and value.__class__ is not Tag:
            raise self._refusal_error()
        super().__set__(instance, value)

    def serialize(self, value: Any) -> bytes:
        """Return a tag as it is sent."""
        if value.__class__ is not Tag:
            raise self._refusal_error()
        return bytes(value)

    def deserialize(self, value: bytes) -> Tag:
        """Return a tag that was read."""
        return Tag(value)

    def _refusal_error(self) -> ProtectedAttributeError:
        """Return the error for comparing or assigning tags."""
        return ProtectedAttributeError(
            f"{self._label} holds tags, which fieldcrypt makes: write and compare the attribute that it is the "
            "index of. exists() and does_not_exist() work"
        )

    def __or__(self, other: Any) -> NoReturn:
        raise self._refusal_error()

    def set(self, value: Any) -> NoReturn:
        """Refuse: the tag follows the value."""
        raise self._refusal_error()

    def remove(self) -> NoReturn:
        """Refuse: the tag follows the value."""
        raise self._refusal_error()
