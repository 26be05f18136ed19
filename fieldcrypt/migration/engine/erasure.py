"""Erasing the tags of indexes that are dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.engine.compound import TagsAlone
from fieldcrypt.migration.engine.journal import Journal
from fieldcrypt.migration.engine.runner import Part
from fieldcrypt.migration.engine.source import Which
from fieldcrypt.migration.engine.steps import Step, Values
from fieldcrypt.migration.engine.unit import Cell, Place, ProtectedField, Unit
from fieldcrypt.migration.job import OnProgress
from fieldcrypt.migration.reports import StepReport
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["Drop", "ErasedTags", "ErasesIndexes"]


class ErasedTags(TagsAlone):
    """Companions whose tags are all to go, whatever values they are of.

    Args:
        names: of the companions, as the store has them.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.name = self.stored_name = ", ".join(names)
        self.tag_names = names

    @property
    def read_names(self) -> tuple[str, ...]:
        return ()

    def examine(self, cell: Cell, place: Place) -> ExaminedValue:
        return ExaminedValue(ValueStatus.NULL)


@dataclass(frozen=True)
class Drop(Step):
    """Erases the tags in companions. It needs no keys, and looks at no value."""

    name = "drop"
    drops = ("verify",)
    goal = Which.FILLED

    def dropped(self, fields: Sequence[ProtectedField], journal: Journal) -> Sequence[str]:
        """See `Step.dropped`: a backfill that is resumed would not come back to the units that it did before."""
        backfill = journal.find("backfill")
        return self.drops if backfill is None or backfill.ended is not None else (*self.drops, "backfill")

    def change(self, field: ProtectedField, cell: Cell, unit: Unit) -> Values:
        return {name: None for name, tag in cell.tags.items() if tag is not None}


class ErasesIndexes:
    """What a migration does with the companions of indexes, declared or no longer."""

    name: str
    _run: Callable[..., StepReport]

    if TYPE_CHECKING:

        def translated_errors(self, step: str) -> AbstractContextManager[None]: ...

    def erasing(self, companions: Sequence[str]) -> Sequence[Part]:
        """Return the parts that have companions, each about their tags alone (`ErasedTags`); at least one.

        Raises:
            ConfigurationError: one of the names is no companion, as it is declared.
        """
        raise ConfigurationError(f"{self.name} has no companion {companions[0]}")

    def tagged(self, *companions: str) -> Mapping[str, int]:
        """Return how many units of each part have tags in companions, which `drop_index` would erase.

        Args, Raises: as `drop_index`.
        """
        _check(companions)
        with self.translated_errors("drop"):
            return {source.name: source.count(Which.FILLED).those for source, _ in self.erasing(companions)}

    def drop_index(
        self,
        *companions: str,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        on_progress: OnProgress = None,
    ) -> StepReport:
        """Erase the tags of indexes in all units. They can be made again by a backfill, as long as there are keys.

        The report says what is left to do, and is not complete while others still write tags. No key is needed.

        Args:
            companions: at least one: the name of an index, for all its companions, or a companion. The index need not
                be declared any more, but the companion has to be, so that nothing else is ever erased.
            workers, batch, rate, restart, on_progress: as for `backfill`.

        Raises:
            ConfigurationError: none is named, one of the names is no companion, or is part of the key of items; or as
                `backfill`.
            MigrationError: the store refuses, or was lost. What is done stays; run it again to go on.
        """
        _check(companions)
        parts = self.erasing(companions)
        how: Any = {"workers": workers, "batch": batch, "rate": rate, "restart": restart}
        report = self._run(Drop(), on_progress, parts, **how)
        return report._replace(remarks=tuple(each for part in parts for each in part.source.remarks()))


def _check(companions: Sequence[str]) -> None:
    if not companions:
        raise ConfigurationError('name the index to be dropped, or its companions: drop_index("ssn_tag")')
