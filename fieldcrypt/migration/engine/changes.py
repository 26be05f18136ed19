"""What a step does to a unit as a whole."""

from __future__ import annotations

from fieldcrypt.migration.engine.defects import is_stop
from fieldcrypt.migration.engine.source import Source
from fieldcrypt.migration.engine.steps import Step
from fieldcrypt.migration.engine.unit import Change, PassedOverError, Unit

__all__ = ["change_of"]


def change_of(source: Source, step: Step, unit: Unit) -> Change:
    """Return what a step writes into a unit. What keeps a part of it from being done does not keep the others from it.

    Raises:
        KeyProviderError, KeyStoreError: it cannot be told for now.
    """
    try:
        cells = unit.cells()
        change = source.prepare(step.name, unit)
    except PassedOverError:
        return Change()
    except Exception as error:  # of one unit, which never stops the others
        if is_stop(error):
            raise
        return Change(failure=error)
    for field, cell in cells:
        try:
            values = step.change(field, cell, unit)
        except Exception as error:  # likewise
            if is_stop(error):
                raise
            change.failure = error
            continue
        if values:
            change.values |= values
            change.read |= values.keys() | {field.stored_name}
            change.read |= set() if field.plain_name is None else {field.plain_name}
    try:
        return source.complete(step.name, unit, change)
    except Exception as error:  # likewise
        if is_stop(error):
            raise
        return Change(failure=error)
