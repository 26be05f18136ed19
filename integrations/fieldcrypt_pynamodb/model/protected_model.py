"""What a decorated model does otherwise than PynamoDB's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fieldcrypt.spi import discreet
from fieldcrypt_pynamodb.attribute.encrypted import EncryptedAttribute
from fieldcrypt_pynamodb.attribute.encrypted_model import EncryptedModel
from fieldcrypt_pynamodb.binding.nested import nested_attributes
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.binding.planned import Spec
from fieldcrypt_pynamodb.model.reading import ReadingModel
from fieldcrypt_pynamodb.model.updates import sealed_actions
from fieldcrypt_pynamodb.search.conditions import rewritten_condition

__all__ = ["ProtectedModel"]

M = TypeVar("M", bound="ProtectedModel")


class ProtectedModel(ReadingModel):
    """A model whose protected attributes are bound to their item. `@encrypted` makes one of a Model."""

    _discriminator: ClassVar[str | None]  # which PynamoDB sets, and does not declare
    _fieldcrypt_spec: ClassVar[Spec] = Spec()
    _fieldcrypt_cached_plan: ClassVar[Plan | None] = None

    @classmethod
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._fieldcrypt_bind()

    @classmethod
    def _fieldcrypt_bind(cls) -> None:
        """Have the model, and not its attributes, encrypt."""
        for owner in (*cls.__mro__, *_below(cls)):
            for attribute in vars(owner).values():
                if isinstance(attribute, EncryptedAttribute):
                    attribute._bind_to_items()
        for model in (cls, *_below(cls)):
            for _, attribute in nested_attributes(model):
                attribute._bind_to_items(nested=True)

    @classmethod
    def _fieldcrypt_plan(cls) -> Plan:
        """Return the plan of this very class, for its table's present name."""
        plan = cls._fieldcrypt_cached_plan
        if plan is None or plan.model is not cls or plan.table != cls.Meta.table_name:
            plan = cls._fieldcrypt_cached_plan = Plan(cls, cls._fieldcrypt_spec)
        return plan

    # Writing and reading. PynamoDB's serializers leave values of protected attributes pending.

    @discreet
    def _container_serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        skipped: Any = EncryptedModel if null_check else ReadingModel  # which has nothing to do then
        item = super(skipped, self)._container_serialize(null_check=null_check)
        self._fieldcrypt_plan().seal(item, self.attribute_values)
        return item

    @classmethod
    @discreet
    def _instantiate(cls: type[M], attribute_values: dict[str, dict[str, Any]]) -> M:
        stored = None if cls._discriminator is None else cls._get_discriminator_class(attribute_values)
        of: type[M] = cls if stored is None or not issubclass(stored, cls) else stored
        plan = of._fieldcrypt_plan()
        rest, marked = plan.unprotected(attribute_values)
        instance = super(EncryptedModel, cls)._instantiate(rest)  # without what places errors: none are raised here
        plan.open(attribute_values, instance)
        if marked:
            instance.attribute_values.update(marked)
        return instance

    @discreet
    def _container_deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        plan, before, done = self._fieldcrypt_plan(), self.attribute_values, False
        try:
            rest, marked = plan.unprotected(attribute_values)
            super()._container_deserialize(rest)
            plan.open(attribute_values, self)
            self.attribute_values.update(marked)
            done = True
        finally:
            if not done:
                self.attribute_values = before

    # Conditions and updates

    @discreet
    def update(
        self, actions: list[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """As in PynamoDB. Values are encrypted for the instance's key and tenant, which the item must have."""
        if isinstance(actions, list):  # PynamoDB refuses anything else
            actions, condition = self._fieldcrypt_update(actions, condition)
        return super().update(actions, condition, add_version_condition=add_version_condition)

    def _fieldcrypt_warm_keys(self) -> None:
        self._fieldcrypt_plan().warm_keys(self)

    @discreet
    def get_update_kwargs_from_instance(
        self,
        actions: list[Action],
        condition: Condition | None = None,
        return_values_on_condition_failure: str | None = None,
        *,
        add_version_condition: bool = True,
    ) -> dict[str, Any]:
        """As in PynamoDB, and see `update`."""
        actions, condition = self._fieldcrypt_update(actions, condition)
        return super().get_update_kwargs_from_instance(
            actions, condition, return_values_on_condition_failure, add_version_condition=add_version_condition
        )

    def _fieldcrypt_update(
        self, actions: Iterable[Action], condition: Condition | None
    ) -> tuple[list[Action], Condition | None]:
        sealed, right = sealed_actions(self, actions)
        condition = rewritten_condition(condition, type(self))
        return sealed, condition if right is None else right if condition is None else condition & right

    @discreet
    def _get_save_args(
        self, condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> tuple[Iterable[Any], dict[str, Any]]:
        return super()._get_save_args(
            rewritten_condition(condition, type(self)), add_version_condition=add_version_condition
        )

    @discreet
    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """As in PynamoDB."""
        return super().delete(rewritten_condition(condition, type(self)), add_version_condition=add_version_condition)

    @discreet
    def get_delete_kwargs_from_instance(
        self,
        condition: Condition | None = None,
        return_values_on_condition_failure: str | None = None,
        *,
        add_version_condition: bool = True,
    ) -> dict[str, Any]:
        """As in PynamoDB."""
        return super().get_delete_kwargs_from_instance(
            rewritten_condition(condition, type(self)),
            return_values_on_condition_failure,
            add_version_condition=add_version_condition,
        )

    @classmethod
    @discreet
    def get_operation_kwargs_from_class(
        cls, hash_key: Any, range_key: Any | None = None, condition: Condition | None = None
    ) -> dict[str, Any]:
        """As in PynamoDB."""
        return super().get_operation_kwargs_from_class(hash_key, range_key, rewritten_condition(condition, cls))


def _below(model: type[Any]) -> Iterator[type[Any]]:
    for derived in model.__subclasses__():
        yield derived
        yield from _below(derived)
