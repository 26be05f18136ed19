"""Seals values for statements that write rows of a decorated model without objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Mapper, class_mapper
from sqlalchemy.orm.exc import UnmappedClassError

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.rows.plan import plan_of

__all__ = ["seal"]


@discreet
def seal(model: type, values: Mapping[str, Any], *, defaults: bool = True) -> dict[str, Any]:
    """Return the values of a row with the protected ones encrypted for it, and with their tags.

        session.execute(insert(Patient), [seal(Patient, row) for row in rows])
        session.execute(update(Patient), [seal(Patient, {"id": id, "ssn": ssn}, defaults=False)])

    Args:
        model: a class that `encrypted` decorates.
        values: by attribute, the row's key and tenant among them.
        defaults: complete a new row, with the Python-side defaults of key, tenant and protected attributes. Without
            them, and without all protected values, it is a row that stays where it is. Then what it is bound to is not
            returned, apart from the primary key: an UPDATE has it as a condition.

    Raises:
        ConfigurationError: the class is not decorated.
        ProtectedColumnError: the row's key or tenant is missing.
        TypeError: these are not a mapped class and a dict of values by its attributes.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Field.encrypt`.
    """
    mapper = _mapper(model)
    plan = plan_of(mapper)
    if plan is None or plan.row is None:
        raise ConfigurationError(f"{model.__name__} is not decorated with @encrypted: its values need no sealing")
    if not (isinstance(values, dict) and values.keys() <= plan.column_keys):
        _check(mapper, values)
    return plan.seal(values, defaults=defaults)


def _mapper(model: Any) -> Mapper[Any]:
    try:
        return class_mapper(model)
    except (ArgumentError, UnmappedClassError):
        given = model.__name__ if isinstance(model, type) else f"an instance of {type(model).__name__}"
    raise TypeError(f"seal takes a mapped class and the values of a row, seal(Model, {{…}}), not {given} first")


def _check(mapper: Mapper[Any], values: Any) -> None:
    """Refuse what is not the values of one row by attribute."""
    model = mapper.class_.__name__
    if isinstance(values, (list, tuple)):
        raise TypeError(f"seal takes the values of one row, a dict: [seal({model}, row) for row in rows]")
    if isinstance(values, mapper.class_):
        raise TypeError(f"seal takes a dict, not an object: add the {model} to a Session, which seals its values")
    if not isinstance(values, Mapping):
        raise TypeError(f"seal takes the values of a row, a dict by attribute, not {type(values).__name__}")
    unknown = [name for name in values if not mapper.has_property(name)]
    if unknown:
        known = ", ".join(mapper.columns.keys())
        raise TypeError(f"{model} has no attribute {unknown[0]!r}, which seal was given. It has {known}")
