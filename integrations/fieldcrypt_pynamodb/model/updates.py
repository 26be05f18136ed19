"""Update actions, encrypted for the item that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value, _IfNotExists, _ListAppend, _Operand
from pynamodb.expressions.update import Action, RemoveAction, SetAction

from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape
from fieldcrypt_pynamodb.attribute.pending import PendingOperand
from fieldcrypt_pynamodb.binding.compound import CompoundTagger
from fieldcrypt_pynamodb.binding.item_key import Binding
from fieldcrypt_pynamodb.binding.nested import NestedAttributes
from fieldcrypt_pynamodb.binding.plan import Plan
from fieldcrypt_pynamodb.binding.planned import PlannedAttribute
from fieldcrypt_pynamodb.binding.tagger import Tagger
from fieldcrypt_pynamodb.errors import ProtectedAttributeError
from fieldcrypt_pynamodb.search.expressions import nested_error, paths, plans, protected_attributes, root

__all__ = ["sealed_actions"]


def sealed_actions(instance: Any, actions: Iterable[Action]) -> tuple[list[Action], Condition | None]:
    """Return the actions of an update as they are sent, and the condition under which they are right.

    There is one if values are encrypted for a tenant that is not part of the key: the item must be that tenant's, or
    not exist. And there is one if some class of the table protects what is changed: the item must be of the instance's
    class, or of none. What the instance says may be out of date, or come from a request.

    Raises:
        ProtectedAttributeError: an action would send plaintext, or change what values are bound to, or the class.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Field.encrypt` and `BlindIndex.tag`.
    """
    return _Update(instance).seal(actions)


class _Update:
    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._plan: Plan = instance._fieldcrypt_plan()
        self._protected, self._plans = protected_attributes(type(instance)), plans(type(instance))
        self._binding: Binding | None = None

    def seal(self, actions: Iterable[Action]) -> tuple[list[Action], Condition | None]:
        sealed: list[Action] = []
        changed: dict[str, Action] = {}
        for action in actions:
            sealed += self._sealed(action)
            changed[root(_target(action))] = action
        names = set(changed)
        for compound in self._plan.compounds:
            if not changed.keys().isdisjoint(compound.names):
                sealed += self._tagged(compound, self._together(compound, changed))
                names.update(compound.stored_as.values())
        condition = None
        tenant, item_class = self._plan.item_key.tenant, self._plan.item_class
        if self._binding is not None and tenant is not None and not self._plan.item_key.tenant_is_in_key:
            path, value = Path([tenant.attr_name]), tenant.serialized(getattr(self._instance, tenant.key))
            condition = (path == value) | Path([self._plan.item_key.parts[0].attr_name]).does_not_exist()
            sealed.append(path.set(value))
        if item_class is not None and not names.isdisjoint(item_class.protected_names):
            path = Path([item_class.attr_name])
            same = (path == item_class.value) | path.does_not_exist()
            condition = same if condition is None else condition & same
            sealed.append(path.set(item_class.value))
        return sealed, condition

    def _sealed(self, action: Action) -> list[Action]:
        target = _target(action)
        if self._plan.nested is not None and root(target) in self._plan.nested.roots:
            return [self._nested_action(action, target, self._plan.nested)]
        protected = self._plan.protected.get(root(target))
        if protected is None or target.path != [protected.attr_name]:
            self._check(action, target)
            return [action]
        tagger = protected.tagger
        if isinstance(action, RemoveAction):
            return [action] if tagger is None else [action, *self._tagged(tagger, None)]
        value: Any = action.values[1] if isinstance(action, SetAction) else None
        if isinstance(value, PendingOperand):
            return self._set(protected, value)
        if isinstance(value, _IfNotExists) and isinstance(value.values[1], PendingOperand):
            if tagger is not None:
                raise ProtectedAttributeError(
                    f"{protected.attribute._label} is searchable, and its tag would not follow: set it if it does "
                    "not exist with a condition, item.update(actions=[…], condition=….does_not_exist())",
                    field=protected.attribute.field_name,
                )
            return self._set(protected, value.values[1], if_not_exists=True)
        raise protected.attribute._refusal_error()

    def _nested_action(self, action: Action, target: Path, nested: NestedAttributes) -> Action:
        """Return an action on a map, or list of maps, with encrypted attributes in it, or on something in there."""
        met = nested.met(target)
        if met.meaning is Meaning.PLAIN:
            self._check(action, target)
            return action
        if met.meaning in (Meaning.PROTECTED, Meaning.AROUND):
            if isinstance(action, RemoveAction):
                return action
            if isinstance(action, SetAction):
                return SetAction(target, self._nested_operand(action.values[1], target, met, nested))
        raise nested.refusal_error(met)

    def _nested_operand(self, operand: _Operand, target: Path, met: Met[Shape], nested: NestedAttributes) -> Any:
        if isinstance(operand, Value):
            return Value(nested.sealed(met, operand.value, self._bound()))
        if isinstance(operand, Path) and operand.path == target.path:
            return operand
        if isinstance(operand, _IfNotExists) or (isinstance(operand, _ListAppend) and met.shape is not None):
            return type(operand)(*(self._nested_operand(each, target, met, nested) for each in operand.values))
        raise nested.refusal_error(met)

    def _set(self, protected: PlannedAttribute, value: PendingOperand, *, if_not_exists: bool = False) -> list[Action]:
        if value.pending.attribute is not protected.attribute:
            raise protected.attribute._refusal_error()
        context, tenant = self._bound()
        plain, path = value.pending.plain, Path([protected.attr_name])
        data: Any = {BINARY: protected.encrypt(plain, tenant=tenant, context=context)}
        actions: list[Action] = [path.set(path | data if if_not_exists else data)]
        return actions if protected.tagger is None else [*actions, *self._tagged(protected.tagger, plain)]

    def _tagged(self, tagger: Tagger, plain: Any) -> list[Action]:
        """Return the actions on the companions of a value; None for one that is removed."""
        if plain is None:
            return [Path([name]).remove() for name in tagger.stored_as.values()]
        found = tagger.wire_tags(plain, self._bound())
        return [Path([name]).remove() if tags is None else Path([name]).set(tags) for name, tags in found]

    def _together(self, compound: CompoundTagger, changed: Mapping[str, Action]) -> dict[str, Any] | None:
        """Return what is indexed of several attributes after the update; None if one of them is removed.

        Raises:
            ProtectedAttributeError: the update does not tell what it is.
        """
        found, unknown = {}, []
        for each in compound.members:
            action = changed.get(each.attribute.attr_name)
            if action is None and each.attribute.attr_name in self._plan.item_key.attr_names:
                found[each.key] = each.of_value(getattr(self._instance, each.key))
            elif isinstance(action, RemoveAction):
                return None
            elif isinstance(action, SetAction) and _target(action).path == [each.attribute.attr_name]:
                found[each.key] = each.of_operand(action.values[1])
            if found.get(each.key) is None:
                unknown.append(each.key)
        if not unknown:
            return found
        raise ProtectedAttributeError(
            f"{compound.label} depends on all of them, and these actions do not say what {' and '.join(unknown)} will "
            "be: set each to a value, or assign them and save() the item",
            field=compound.field_name,
        )

    def _bound(self) -> Binding:
        self._binding = self._binding or self._plan.item_key.binding(self._key())
        return self._binding

    def _key(self) -> dict[str, dict[str, Any]]:
        """Return the part of the item that values are bound to, as the instance has it."""
        bound = [*self._plan.item_key.parts, self._plan.item_key.tenant]
        values = [(part, getattr(self._instance, part.key)) for part in bound if part is not None]
        return {part.attr_name: part.serialized(value) for part, value in values if value is not None}

    def _check(self, action: Action, target: Path) -> None:
        """Refuse an action that changes what values are bound to, or has to do with ciphertext after all."""
        if self._plan.item_class is not None and root(target) == self._plan.item_class.attr_name:
            raise ProtectedAttributeError(
                f"{root(target)!r} tells the item's class, and with it what is protected: save() a new instance"
            )
        if root(target) in self._plan.previous_names.union(self._plan.item_key.attr_names):
            raise ProtectedAttributeError(
                f"{root(target)!r} is what the protected values of the item are bound to, which an update does not "
                "re-encrypt: assign it, and save() the whole item"
            )
        for path in paths(action):
            attribute = self._protected.get(root(path))
            if attribute is not None:
                raise attribute._refusal_error()
            nested = nested_error(self._plans, path)
            if nested is not None:
                raise nested


def _target(action: Action) -> Path:
    return action.values[0]  # type: ignore[return-value]  # all actions have one
