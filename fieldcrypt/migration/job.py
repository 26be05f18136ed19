"""The steps of a migration, whatever its data store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from fieldcrypt.migration.reports import Key, MigrationPlan, MigrationStatus, StepReport, VerifyReport
from fieldcrypt.migration.sample import Sample
from fieldcrypt.progress import Progress

__all__ = ["CountsValues", "DropsIndexes", "MendsRows", "Migration", "OnProgress"]

OnProgress = Callable[[Progress], object] | None


@runtime_checkable
class Migration(Protocol):
    """Turns existing data into protected values. Every step can be interrupted, resumed and repeated.

    See `fieldcrypt.migration.engine.migration.StoredMigration` for what each step does.
    """

    @property
    def name(self) -> str: ...

    def plan(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> MigrationPlan: ...

    def backfill(
        self,
        *,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        mend: bool = False,
        newer_plaintext: bool | Collection[Key | str] = False,
        on_progress: OnProgress = None,
    ) -> StepReport: ...

    def verify(self, *, sample: Sample | None = None, on_progress: OnProgress = None) -> VerifyReport: ...

    def finish(
        self, *, batch: int = 1000, stale_plaintext: bool = False, on_progress: OnProgress = None
    ) -> StepReport: ...

    def undo(self, *, batch: int = 1000, on_progress: OnProgress = None) -> StepReport: ...

    def pause(self) -> None: ...

    def status(self) -> MigrationStatus: ...


@runtime_checkable
class CountsValues(Protocol):
    """A migration that can tell which values are under a data key, without decrypting any."""

    def values_under(self, key_id: bytes) -> Mapping[str, int]: ...


@runtime_checkable
class DropsIndexes(Protocol):
    """A migration that erases the tags of indexes (see `StoredMigration.drop_index`)."""

    def tagged(self, *companions: str) -> Mapping[str, int]: ...

    def drop_index(
        self,
        *companions: str,
        workers: int = 1,
        batch: int = 1000,
        rate: float | None = None,
        restart: bool = False,
        on_progress: OnProgress = None,
    ) -> StepReport: ...


@runtime_checkable
class MendsRows(Protocol):
    """A migration of columns of text, in which old plaintext may begin as values do."""

    def mend(self, *, as_plaintext: Collection[Any], column: str | None = None) -> StepReport:
        """Encrypt what begins so, and is no value, in the rows that are named by their keys."""
        ...
