"""What is wrong with a unit that should be protected."""

from __future__ import annotations

from fieldcrypt.errors import ConfigurationError, KeyNotFoundError, KeyProviderError, KeyStoreError, MigrationError
from fieldcrypt.migration.engine.marked import MarkedError
from fieldcrypt.migration.engine.unit import Cell, ProtectedField, Unit
from fieldcrypt.migration.kind import Kind

__all__ = ["defect", "defects", "is_stop", "kind_of"]

_STOPS = (ConfigurationError, KeyProviderError, KeyStoreError, MigrationError)

_WRONG = {
    Kind.UNREADABLE: "does not decrypt",
    Kind.PLAINTEXT: "is plaintext",
    Kind.OTHER_SCHEME: "is of another scheme",
    Kind.OLD_KEY: "is under an old data key",
    Kind.OLD_FORM: "is not protected as it is declared now",
}


def is_stop(error: Exception) -> bool:
    """Return True if an error stops a step.

    All else that a unit raises, whatever code of the application's it comes from, is its own failure: also that its key
    is not there, or was shredded.
    """
    return isinstance(error, _STOPS) and not isinstance(error, KeyNotFoundError)


def defects(unit: Unit, *, finishing: bool = False) -> list[str]:
    """Return what is wrong with the fields of a unit.

    Args:
        unit: the unit.
        finishing: plaintext beside a protected value may have been removed already.

    Raises:
        KeyProviderError, KeyStoreError: it cannot be told for now.
    """
    found = []
    for field, cell in unit.cells():
        try:
            reason = defect(field, cell, unit, finishing=finishing)
        except Exception as error:  # of one unit, whatever the application's types raise
            if is_stop(error):
                raise
            reason = "cannot be read"
        if reason is not None:
            found.append(f"{field.name} {reason}")
    return found


def defect(
    field: ProtectedField, cell: Cell, unit: Unit, *, old_keys: bool = True, finishing: bool = False
) -> str | None:
    """Return what is wrong with one field, or None.

    Args:
        field, cell, unit: which one.
        old_keys: that a value is under an old data key is wrong too; never of one that is filled from another.
        finishing: see `defects`.
    """
    if cell.stored is None and cell.plain is None:
        return None if cell.tag is None else "has a blind index tag, and no value"
    place = unit.place()
    found = field.examine(cell, place)
    if found.kind is Kind.SHREDDED:
        return None
    is_copied = field.plain_name is not None
    if found.kind in _WRONG and not (found.kind is Kind.OLD_KEY and (is_copied or not old_keys)):
        return _WRONG[found.kind]
    is_removed = finishing and cell.plain is None
    if is_copied and not is_removed and not field.is_same(found.value, field.of_plain(cell, place).value):
        return "is empty, and the plaintext column is not" if cell.stored is None else "differs"
    if field.tag_name is not None and field.tag(found.value, place) != cell.tag:
        return "has not the blind index tag of its value"
    return None


def kind_of(field: ProtectedField, cell: Cell, unit: Unit) -> tuple[Kind, bool]:
    """Return what a value is, and whether its tag is not as it should be, of one that is protected already.

    Raises:
        KeyProviderError, KeyStoreError: it cannot be told for now.
    """
    if cell.stored is None and cell.plain is None:
        return Kind.NULL, cell.tag is not None
    try:
        place = unit.place()
        if cell.stored is None:
            return field.of_plain(cell, place).kind, False
        found = field.examine(cell, place)
        is_own = found.kind in (Kind.ACTIVE, Kind.OLD_KEY, Kind.OLD_FORM)
        return found.kind, is_own and field.tag_name is not None and field.tag(found.value, place) != cell.tag
    except MarkedError:
        return Kind.MARKED, False
    except Exception as error:  # of one unit, whatever the application's types raise
        if is_stop(error):
            raise
        return Kind.UNREADABLE, False
