"""What plan and verify do: read all rows, or some, and say what they are. Nothing is locked, and nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Engine

from fieldcrypt import DecryptionError
from fieldcrypt.migration import MAX_FAILURES, Kind, Meter, Sample
from fieldcrypt_sqlalchemy.keyset import Key
from fieldcrypt_sqlalchemy.migration.column import Cell, MigratedColumn
from fieldcrypt_sqlalchemy.migration.part import MigratedRow, Part

__all__ = ["Counts", "Verification", "rows_of"]

_PAGE = 1000


def rows_of(engine: Engine, part: Part, total: int, sample: Sample | None, meter: Meter) -> Iterator[MigratedRow]:
    """Yield the rows of a table in the order of their keys, or so many as a sample takes, at random."""
    share = None if sample is None else sample.share_of(total)
    after: Key | None = None
    while True:
        with engine.connect() as connection:
            page = part.page(connection, part.query(after, None, share=share), _PAGE)
        yield from page
        meter.add(len(page))
        if len(page) < _PAGE:
            return
        after = page[-1].key


class Counts:
    """Counts what the values of each column are."""

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: dict[str, Counter[Kind]] = {}
        self.stale_tags: Counter[str] = Counter()

    def add(self, part: Part, row: MigratedRow) -> None:
        """Count a row."""
        self.rows += 1
        for column, cell in zip(part.columns, row.cells, strict=True):
            kind, is_stale = _told(column, cell, row)
            self.kinds.setdefault(f"{part.name}.{column.name}", Counter())[kind] += 1
            if is_stale:
                self.stale_tags[f"{part.name}.{column.name}"] += 1


def _told(column: MigratedColumn, cell: Cell, row: MigratedRow) -> tuple[Kind, bool]:
    """Say what a value is, and whether its tag is not as it should be, of one that is protected already."""
    if cell.stored is None and cell.plain is None:
        return Kind.NULL, cell.tag is not None
    try:
        bound_to = row.bound_to()
        if cell.stored is None:
            return column.of_plain(cell, bound_to).kind, False
        found = column.examine(cell, bound_to)
        is_own = found.kind in (Kind.ACTIVE, Kind.OLD_KEY, Kind.OLD_FORM)
        return found.kind, is_own and column.companion is not None and column.tag(found.value, bound_to) != cell.tag
    except (DecryptionError, TypeError, ValueError):
        return Kind.UNREADABLE, False


class Verification:
    """Finds rows that are not as they should be after a backfill."""

    def __init__(self) -> None:
        self.rows = self.wrong = 0
        self.reasons: dict[Key, str] = {}

    def add(self, part: Part, row: MigratedRow) -> None:
        """Look at a row."""
        self.rows += 1
        reasons = []
        for column, cell in zip(part.columns, row.cells, strict=True):
            try:
                reason = _wrong(column, cell, row)
            except (DecryptionError, TypeError, ValueError):
                reason = "cannot be read"
            if reason is not None:
                reasons.append(f"{column.name} {reason}")
        if reasons:
            self.wrong += 1
            if len(self.reasons) < MAX_FAILURES:
                self.reasons[row.key] = "; ".join(reasons)


_WRONG = {
    Kind.UNREADABLE: "does not decrypt",
    Kind.PLAINTEXT: "is plaintext",
    Kind.OTHER_SCHEME: "is of another scheme",
    Kind.OLD_KEY: "is under an old data key",
    Kind.OLD_FORM: "is not protected as the column is declared now",
}


def _wrong(column: MigratedColumn, cell: Cell, row: MigratedRow) -> str | None:
    """Say what is wrong with a value, or None."""
    if cell.stored is None and cell.plain is None:
        return None if cell.tag is None else "has a blind index tag, and no value"
    bound_to = row.bound_to()
    found = column.examine(cell, bound_to)
    if found.kind is Kind.SHREDDED:
        return None
    if found.kind in _WRONG and not (found.kind is Kind.OLD_KEY and column.plain is not None):
        return _WRONG[found.kind]
    if column.plain is not None and not column.is_same(found.value, column.of_plain(cell, bound_to).value):
        return "is empty, and the plaintext column is not" if cell.stored is None else "differs"
    if column.companion is not None and column.tag(found.value, bound_to) != cell.tag:
        return "has not the blind index tag of its value"
    return None
