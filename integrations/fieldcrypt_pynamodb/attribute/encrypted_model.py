"""What models with encrypted attributes, decorated or not, do differently from PynamoDB's."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeVar

from pynamodb.attributes import AttributeContainer, ListAttribute, MapAttribute
from pynamodb.constants import BINARY, BINARY_SET, LIST, MAP, STRING
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.errors import placed_error, write_applied_error
from fieldcrypt_dynamodb.item.plaintext import key_of
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_dynamodb.request.warm_keys import warm_keys
from fieldcrypt_pynamodb.attribute.conversion import NULL_CHECK
from fieldcrypt_pynamodb.attribute.pending import refuse_pending
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.attribute.unreadable import MARK

__all__ = ["EncryptedMap", "EncryptedModel", "with_base"]

M = TypeVar("M", bound="EncryptedModel")
E = TypeVar("E", bound=Exception)


class EncryptedModel(Model):
    """A model with encrypted attributes. A Model gets this base with its first one."""

    @discreet
    def _container_serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        if null_check:
            return super()._container_serialize(null_check=True)
        before = NULL_CHECK.set(False)
        try:
            return super()._container_serialize(null_check=False)
        finally:
            NULL_CHECK.reset(before)

    @classmethod
    @discreet
    def _instantiate(cls: type[M], attribute_values: dict[str, dict[str, Any]]) -> M:
        try:
            instance = super()._instantiate(attribute_values)
        except FieldcryptError as error:
            raise cls._fieldcrypt_placed(error, attribute_values) from error.__cause__
        instance._fieldcrypt_place_marks(attribute_values)
        return instance

    @discreet
    def _container_deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        before, done = self.attribute_values, False
        try:
            super()._container_deserialize(attribute_values)
            self._fieldcrypt_place_marks(attribute_values)
            done = True
        except FieldcryptError as error:
            raise self._fieldcrypt_placed(error, attribute_values) from error.__cause__
        finally:
            if not done:  # an instance that lost what could not be read would be saved without it
                self.attribute_values = before

    @classmethod
    def _fieldcrypt_placed(cls, error: E, item: Mapping[str, Any]) -> E:
        """Return an error about a value that is not bound to its item, saying which item that is."""
        return placed_error(error, getattr(error, "field", None) or cls.Meta.table_name, cls._fieldcrypt_key(item))

    @classmethod
    def _fieldcrypt_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        names = [name for name in (cls._hash_keyname, cls._range_keyname) if name is not None]
        return key_of(item, [cls.get_attributes()[name].attr_name for name in names])

    def _fieldcrypt_place_marks(self, item: Mapping[str, Any]) -> None:
        if MARK.get():
            for value in self.attribute_values.values():
                if value.__class__ is Unreadable:
                    value.error = self._fieldcrypt_placed(value.error, item)

    @discreet
    def deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """As in PynamoDB."""
        answer = self.__dict__.get("_fieldcrypt_answer")
        if answer is not None:
            answer["Attributes"] = attribute_values
        super().deserialize(attribute_values)

    @discreet
    def update(
        self, actions: list[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """As in PynamoDB. DynamoDB returns the item, so the keys that it needs are fetched first.

        Raises:
            WriteAppliedError: the update was applied, and what DynamoDB returned cannot be decrypted. Its `response`
                has the item, and the instance is as it was.
            KeyProviderError, KeyStoreError: the keys cannot be had, and nothing was sent.
        """
        self._fieldcrypt_warm_keys()
        answer: dict[str, Any] = {}
        self._fieldcrypt_answer = answer
        try:
            return super().update(actions, condition, add_version_condition=add_version_condition)
        except FieldcryptError as error:
            if not answer:
                raise
            key = self._fieldcrypt_key(answer["Attributes"])
            raise write_applied_error(self.Meta.table_name, key, error, answer) from error
        finally:
            del self._fieldcrypt_answer

    def _fieldcrypt_warm_keys(self) -> None:
        """Fetch the keys that the values of the item may need."""
        kinds: list[Any] = [kind for kind in self.get_attributes().values() if hasattr(kind, "encryptor")]
        for kind in {id(kind.encryptor): kind for kind in kinds}.values():
            warm_keys(kind, None)

    @discreet
    def to_simple_dict(self, *, force: bool = False) -> dict[str, Any]:
        """Return the item as a mapping for JSON: encrypted attributes and tags as base64 text, the rest as usual.

        PynamoDB refuses binary there because it could not tell it from text; for an encrypted attribute that is known,
        and `from_simple_dict` takes it back.

        Args:
            force: as in PynamoDB, for other binary attributes and for sets.
        """
        return _simple_dict(self, self._container_serialize(null_check=False), force)

    def __repr__(self) -> str:
        """Show the instance without the values of its encrypted attributes."""
        return _hidden_repr(self)


class EncryptedMap(MapAttribute[Any, Any]):
    """A map with encrypted attributes. A MapAttribute of the user's gets this base with its first one."""

    def to_simple_dict(self, *, force: bool = False) -> dict[str, Any]:
        """As for a model.

        Raises:
            ProtectedAttributeError: the values are bound to their item, whose dictionary has the map.
        """
        return _simple_dict(self, self._fieldcrypt_serialized(), force)

    @discreet
    def to_dynamodb_dict(self) -> dict[str, dict[str, Any]]:
        """As in PynamoDB.

        Raises:
            ProtectedAttributeError: as for `to_simple_dict`.
        """
        serialized: Any = _Serialized(self._fieldcrypt_serialized())
        return AttributeContainer.to_dynamodb_dict(serialized)

    def _fieldcrypt_serialized(self) -> dict[str, dict[str, Any]]:
        item = self._container_serialize(null_check=False)
        refuse_pending(item)
        return item

    def __repr__(self) -> str:
        """Show the map without the values of its encrypted attributes."""
        return _hidden_repr(self)


def _hidden_repr(container: AttributeContainer) -> str:
    values = container.__dict__.get("attribute_values", {})  # a map that is an attribute has none
    hidden = {key for key, kind in container.get_attributes().items() if isinstance(kind, ProtectedAttribute)}
    shown = (f"{key}=<protected>" if key in hidden else f"{key}={value!r}" for key, value in values.items())
    return f"{type(container).__name__}({', '.join(shown)})"


class _Serialized:
    """Stands for an instance that PynamoDB has serialized already."""

    def __init__(self, item: dict[str, dict[str, Any]]) -> None:
        self._item = item

    def _container_serialize(self, null_check: bool) -> dict[str, dict[str, Any]]:
        return self._item


def _simple_dict(container: AttributeContainer, item: dict[str, dict[str, Any]], force: bool) -> dict[str, Any]:
    _write_as_text(type(container), item)
    serialized: Any = _Serialized(item)
    return AttributeContainer.to_simple_dict(serialized, force=force)


def _write_as_text(container: type[AttributeContainer], item: Mapping[str, Any]) -> None:
    """Replace, in place, the ciphertexts and tags of an item, or of a map in it, by base64 text."""
    for attribute in container.get_attributes().values():
        content = item.get(attribute.attr_name, {})
        inside = attribute.element_type if isinstance(attribute, ListAttribute) else type(attribute)
        if isinstance(attribute, ProtectedAttribute) and BINARY in content:
            content[STRING] = b64encode(content.pop(BINARY)).decode()
        elif isinstance(attribute, ProtectedAttribute) and BINARY_SET in content:
            content[LIST] = [{STRING: b64encode(each).decode()} for each in content.pop(BINARY_SET)]
        elif inside is not None and issubclass(inside, AttributeContainer):
            for each in content.get(LIST, [content]):
                _write_as_text(inside, each.get(MAP, {}))


def with_base(owner: type[Any], base: type[Any]) -> None:
    """Give a class a base: after all that users override, right before what PynamoDB has."""
    bases = tuple(base if issubclass(base, each) else each for each in owner.__bases__)
    owner.__bases__ = bases if base in bases else (*bases, base)
