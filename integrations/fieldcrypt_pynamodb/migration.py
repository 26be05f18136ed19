"""What a migration has to know about a model. See docs/guides/migration-dynamodb.md."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from pynamodb.attributes import ListAttribute, MapAttribute
from pynamodb.constants import NULL
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, Encryptor, Field
from fieldcrypt.spi.migration import PassedOverError, Place, PlainMember, UnitError, tags_of
from fieldcrypt_dynamodb.item.tags.indexes import wire_tag
from fieldcrypt_dynamodb.migration.target import MigratedCompound
from fieldcrypt_pynamodb.attribute.companion import Companion
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.tables import table_of
from fieldcrypt_pynamodb.binding.compound import CompoundTagger, Member
from fieldcrypt_pynamodb.binding.item_key import Item
from fieldcrypt_pynamodb.binding.tagger import Tagger
from fieldcrypt_pynamodb.model.protected_model import ProtectedModel

__all__ = ["MigratedModel"]


class MigratedModel:
    """A model as `TableMigration` of fieldcrypt_dynamodb takes it.

        migration = TableMigration(MigratedModel(Patient))

    What its attributes accept says what they are migrated from: `EncryptedAttribute(…, accept_plaintext=…)`.

    Args:
        model: with a table; of a polymorphic one the base.

    Raises:
        ConfigurationError: the model has no table, or no encrypted attribute; or it has one inside of a map, and is not
            decorated or has subclasses.
    """

    def __init__(self, model: type[Model]) -> None:
        if not (isinstance(model, type) and issubclass(model, Model)):
            given = getattr(model, "__name__", type(model).__name__)
            raise ConfigurationError(f"MigratedModel(model): a Model of PynamoDB, and no {given}")
        table = table_of(model)
        if table is None:
            raise ConfigurationError(f"{model.__name__} has no table: its Meta names none")
        kinds = (model, *_below(model))
        if not issubclass(model, ProtectedModel) or len(kinds) > 1:
            for kind in kinds:
                _check_maps(kind)
        self._model = model
        self._of_class = cache(_attributes)
        self.name = table
        keys: Any = [model._hash_keyname, model._range_keyname]
        self.key: tuple[str, ...] = tuple(model.get_attributes()[key].attr_name for key in keys if key is not None)
        tenant = model._fieldcrypt_plan().item_key.tenant if issubclass(model, ProtectedModel) else None
        self.tenant: str | None = None if tenant is None else tenant.attr_name
        discriminator = model._get_discriminator_attribute()
        self.discriminator: str | None = None if discriminator is None else discriminator.attr_name
        found = {each.declared: each for kind in (*_below(model), model) for each in self._of_class(kind)}
        self.attributes: Sequence[Any] = tuple(found.values())
        self._compounds_of_class = cache(self._compounds)
        compounds = [each for kind in (*_below(model), model) for each in self._compounds_of_class(kind)]
        found_compounds = {(each.how.companion, *each.members): each for each in compounds}
        self.compounds: Sequence[Any] = tuple(found_compounds.values())
        self.erasable: Mapping[str, tuple[str, ...]] = dict(_erasable(kinds))
        self.prefixes: Mapping[str, str] = {}
        self.bound = issubclass(model, ProtectedModel)
        self.seal: Any = None
        nested = model._fieldcrypt_plan().nested if issubclass(model, ProtectedModel) else None
        self.nested: Mapping[str, Any] = {} if nested is None else nested.roots
        self.legacy_items: Any = None
        if not self.attributes:
            raise ConfigurationError(f"{model.__name__} has no encrypted attribute")

    def client(self, config: Any) -> Any:
        """Make a client for the region and host of the model's Meta, with its credentials."""
        connection = self._model._get_connection().connection
        return connection.session.create_client(
            "dynamodb", connection.region, endpoint_url=connection.host, config=config
        )

    def attributes_of(self, item: Item) -> Sequence[Any]:
        """Return the protected attributes that an item of this class may have.

        Raises:
            PassedOverError: it is of another class than the model; or of no known one, and has none of the protected
                attributes of any.
            ValueError: it is of no class that is known.
        """
        try:
            model = self._class_of(item)
        except (TypeError, ValueError):
            self._refuse_if_filled(item, (), "of a class that is not loaded: import the module that declares it")
            raise PassedOverError("they are of a class that is not loaded, and have no protected attribute") from None
        if not issubclass(model, self._model):
            raise PassedOverError(f"they are of {model.__name__}, which is not {self._model.__name__}")
        own = self._of_class(model)
        if self.discriminator is not None and not _is_filled(item.get(self.discriminator)):
            self._refuse_if_filled(item, own, f"of no class: write its {self.discriminator} to it")
        return own

    def compounds_of(self, item: Item) -> Sequence[Any]:
        """Return the indexes of several attributes that an item of this class may have."""
        return self._compounds_of_class(self._class_of(item))

    def erasable_of(self, item: Item) -> Collection[str]:
        """Return the attributes that hold tags in an item of this class; others may have something else in there."""
        return set(_tags_of(self._class_of(item)).values())

    def _compounds(self, model: type[Model]) -> Sequence[MigratedCompound]:
        if not issubclass(model, ProtectedModel):
            return ()
        attributes = {each.name: each for each in self._of_class(model)}
        return [_compound(each, attributes) for each in model._fieldcrypt_plan().compounds]

    def _refuse_if_filled(self, item: Item, own: Sequence[Any], what: str) -> None:
        """Raise UnitError if an item has protected attributes of some class besides its own ones."""
        own_names = {name for each in own for name in (each.name, *each.companions)}
        names = {name for each in self.attributes for name in (each.name, *each.companions)} - own_names
        if any(_is_filled(item.get(name)) for name in names):
            raise UnitError(f"the item has protected attributes, and is {what}")

    def binding(self, item: Item) -> tuple[Mapping[str, str] | None, str | None]:
        """Return what the values of an item are bound to.

        Raises:
            ProtectedAttributeError, ValueError: the item does not tell.
        """
        model: Any = self._class_of(item)
        return model._fieldcrypt_plan().item_key.binding(item) if issubclass(model, ProtectedModel) else (None, None)

    def _class_of(self, item: Item) -> type[Model]:
        stored: Any = self._model._get_discriminator_class(dict(item))  # type: ignore[arg-type]
        return self._model if stored is None else stored

    def __repr__(self) -> str:
        return f"MigratedModel({self._model.__name__})"


def _is_filled(value: Mapping[str, Any] | None) -> bool:
    return value is not None and NULL not in value


class _Attribute:
    """One of a model's."""

    def __init__(
        self,
        name: str,
        attribute: EncryptedAttribute[Any],
        encryptor: Encryptor,
        field: Field[Any],
        *,
        context: Mapping[str, str] | None = None,
        tagger: Tagger | None = None,
    ) -> None:
        self.name = name
        self.encryptor, self.field, self.pad = encryptor, field, attribute.protection.pad
        self.context, self.accepted = context, attribute.protection.accepted
        # Alike in classes that inherit it.
        self.declared = (self.name, field.name, str(field), self.pad, str(self.context), str(attribute.indexes))
        self.indexes = () if tagger is None else tagger.groups
        self.indexed = () if tagger is None else attribute.indexes
        self._stored_as = {} if tagger is None else tagger.stored_as
        self.companions = tuple(self._stored_as.values())
        self.of_plaintext, self.as_plaintext = attribute._conversion.of_plaintext, attribute._conversion.as_plaintext
        self.to_field = attribute._to_field
        self._tagger = tagger

    def tags(self, value: Any, place: Place) -> Mapping[str, Any]:
        if self._tagger is None:
            return {}
        return tags_of(self._tagger.each, value, place, self._stored_as, wire_tag)


def _compound(tagger: CompoundTagger, attributes: Mapping[str, _Attribute]) -> MigratedCompound:
    members: dict[str, _Attribute | PlainMember] = {}
    convert = {}
    for each in tagger.members:
        name = each.attribute.attr_name
        if name in attributes:
            members[each.key], convert[each.key] = attributes[name], each.of_plain
        else:
            members[each.key] = PlainMember(name, partial(_of_plain, each))

    def indexed(values: dict[str, Any]) -> Mapping[str, Any]:
        return {key: convert[key](value) if key in convert else value for key, value in values.items()}

    return MigratedCompound(tagger.declared[0], members, tagger.indexes, indexed, tagger.stored_as)


def _of_plain(member: Member, value: Any) -> Any:
    if member.attribute.attr_type not in value:
        raise UnitError(f"{member.key} is not of the type that the model declares")
    return member.of_plain(value[member.attribute.attr_type])


def _erasable(kinds: Sequence[type[Model]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names by which tags are erased, of indexes and of attributes, each with the attributes to erase."""
    for kind in kinds:
        stored = _tags_of(kind)
        yield from ((key, (name,)) for key, name in stored.items())
        for each in kind.get_attributes().values():
            for how in each.indexes if isinstance(each, EncryptedAttribute) else ():
                yield how.companion, tuple(stored[key] for key in how.companions)


def _tags_of(kind: type[Model]) -> Mapping[str, str]:
    return {key: each.attr_name for key, each in kind.get_attributes().items() if isinstance(each, Companion)}


def _attributes(model: type[Model]) -> list[_Attribute]:
    if issubclass(model, ProtectedModel):
        plan = model._fieldcrypt_plan()
        nested = () if plan.nested is None else plan.nested.planned.values()
        return [
            _Attribute(
                each.attr_name, each.attribute, each.encryptor, each.field, context=each.context, tagger=each.tagger
            )
            for each in (*plan.protected.values(), *nested)
        ]
    return [
        _Attribute(each.attr_name, each, each.encryptor or Encryptor(), each.field, context=each.protection.context)
        for each in model.get_attributes().values()
        if isinstance(each, EncryptedAttribute)
    ]


def _check_maps(kind: Any, path: str = "") -> None:
    """Raise ConfigurationError if maps have encrypted attributes, which no step would reach."""
    for name, each in kind.get_attributes().items():
        if path and isinstance(each, EncryptedAttribute):
            raise ConfigurationError(
                f"{path}.{name} is encrypted inside of a map, which migrations reach only in decorated models without "
                "subclasses: write the items again by the model"
            )
        inside = each.element_type if isinstance(each, ListAttribute) else type(each)
        if isinstance(inside, type) and issubclass(inside, MapAttribute):
            _check_maps(inside, f"{path or kind.__name__}.{name}")


def _below(model: type[Model]) -> list[type[Model]]:
    return [each for derived in model.__subclasses__() for each in (derived, *_below(derived))]
