"""Values for statements that write rows of a decorated model past its objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import class_mapper

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.rows import plan_of

__all__ = ["seal"]


def seal(model: type, values: Mapping[str, Any], *, defaults: bool = True) -> dict[str, Any]:
    """Return the values of a row with the protected ones encrypted for it, and with their tags.

        session.execute(insert(Patient), [seal(Patient, row) for row in rows])
        session.execute(update(Patient), [seal(Patient, {"id": id, "ssn": ssn}, defaults=False)])

    Args:
        model: a class that `encrypted` decorates.
        values: by attribute, the row's key and tenant among them.
        defaults: complete a new row, with the Python-side defaults of key, tenant and protected attributes.

    Raises:
        ConfigurationError: the class is not decorated.
        ProtectedColumnError: the row's key or tenant is missing.
        TypeError, ValueError, KeyProviderError, KeyStoreError: as for `Field.encrypt`.
    """
    plan = plan_of(class_mapper(model))
    if plan is None or plan.row is None:
        raise ConfigurationError(f"{model.__name__} is not decorated with @encrypted: its values need no sealing")
    return plan.seal(values, defaults=defaults)
