"""A migration of a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fieldcrypt import ConfigurationError, MigrationError
from fieldcrypt.migration import StepReport
from fieldcrypt.schemes import LegacyReader
from fieldcrypt.spi.migration import Part, StoredMigration
from fieldcrypt_sqlalchemy.migration.erased_source import erased_sources
from fieldcrypt_sqlalchemy.migration.errors import in_words, is_denied
from fieldcrypt_sqlalchemy.migration.journal.checkpoint_tables import checkpoint_tables
from fieldcrypt_sqlalchemy.migration.journal.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.named_row import mend_named
from fieldcrypt_sqlalchemy.migration.tables import Parts

__all__ = ["Migration"]


class Migration(StoredMigration):
    """Takes the protected columns of a model from what is stored to what is declared, while others read and write.

        migration = Migration(engine, Patient, {"ssn_plain": "ssn"})   # into a new column
        migration = Migration(engine, Patient)                         # in place: also after a rotation

    Every step can be interrupted, killed, run by several processes at once, and repeated: what is done is written down
    in the same transaction, in the tables `fieldcrypt_migrations` and `fieldcrypt_migration_ranges` of the database.
    With an AsyncEngine: `await connection.run_sync(lambda sync: Migration(sync.engine, Patient).backfill())`.

    The engine's `schema_translate_map` is followed by all that is read, written, counted and written down: where there
    is a schema for each tenant, make a Migration for each.

    Args:
        engine: where the rows are.
        model: a mapped class, with those derived from it, or a Table.
        copies: from which plaintext attribute to which protected one. None: all protected ones are migrated in place,
            from what their `Encrypted(…, accept_plaintext=…, accept=…)` accepts.
        readers: read values of another scheme in the plaintext columns.
        name: what its checkpoints are kept under. Default: the name of the model's table, with its schema.

    Raises:
        ConfigurationError: what is given is no engine, model or mapping; there are no such attributes, or the table has
            no primary key.
    """

    def __init__(
        self,
        engine: Engine,
        model: Any,
        copies: Mapping[str, str] | None = None,
        *,
        readers: Sequence[LegacyReader[Any]] = (),
        name: str | None = None,
    ) -> None:
        if not isinstance(engine, Engine):
            raise ConfigurationError(f"Migration(engine, model): an Engine, and no {type(engine).__name__}")
        if not isinstance(copies, (Mapping, NoneType)):
            raise ConfigurationError('Migration(engine, model, {"ssn_plain": "ssn"}): copies are a mapping')
        # What others have committed is seen when a row is locked, and MySQL locks no more than the rows.
        isolation = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "READ COMMITTED"
        self._engine = engine = engine.execution_options(isolation_level=isolation)
        self._model = model
        self._sources = Parts(engine, copies or {}, readers).of(model)
        name = name or self._sources[0].name
        self._tables = [(source, Checkpoints(engine, name, source)) for source in self._sources]
        super().__init__(name, [Part(*each) for each in self._tables])

    def check_workers(self, workers: int) -> None:
        if workers > 1 and self._engine.dialect.is_async:
            raise ConfigurationError("with an AsyncEngine there is one worker: run the step in several processes")

    def erasing(self, companions: Sequence[str]) -> Sequence[Part]:
        sources = erased_sources(self._engine, self._model, companions)
        return [Part(source, Checkpoints(self._engine, self.name, source)) for source in sources]

    def mend(self, *, as_plaintext: Collection[Any], column: str | None = None) -> StepReport:
        """Encrypt old plaintext that begins with `fc1.`, as values in columns of text do, of the rows that are named.

        What `plan` counts as "no value, begins with fc1." could as well have been planted, by somebody who wants it
        to become authentic. So look at each row before you name it. What opens is never encrypted once more, and what
        has the whole form of a value is never taken for plaintext, even if it does not open. A row is written as
        long as nobody has changed it since it was read; what was done is in the remarks of the report.

        Args:
            as_plaintext: the primary keys of the rows, each a value, or a tuple of values; or as text, several
                values as a JSON array.
            column: the attribute that it is in, if a row has several that begin so.

        Raises:
            TypeError: as_plaintext is one text, and no collection.
            ConfigurationError: what is given is no primary key; the tables are not as declared; or an undo is at work.
            MigrationError: the database refuses.
            KeyProviderError, KeyStoreError: keys cannot be had.
        """
        with self.translated_errors("mend"):
            self._check("backfill", self._parts)
            return mend_named(self._tables, as_plaintext, column)

    def values_under(self, key_id: bytes) -> dict[str, int]:
        """Return how many values of each column are under a data key; nothing of those that have none.

        The database counts: it reads the whole table, and nothing is decrypted.

        Raises:
            MigrationError: the database refuses.
        """
        with self.translated_errors("count"):
            counted = {
                f"{source.name}.{column.name}": source.under(column, key_id)
                for source in self._sources
                for column in source.columns
            }
        return {name: count for name, count in counted.items() if count}

    @contextmanager
    def translated_errors(self, step: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            reason, lacks_rights = in_words(error), is_denied(error)
        else:
            return
        try:
            found = [problem for source in self._sources for problem in source.problems(step)]
        except DBAPIError:
            found = []
        lacking = _rights([source.full_name for source in self._sources]) if lacks_rights else ""
        stopped: Exception = MigrationError(
            f"{self.name}: the database stopped the {step}: {reason}. What is done stays; {lacking}run it again to go "
            "on"
        )
        if found:
            stopped = ConfigurationError(
                f"{step} was stopped, for the tables are not as the model says: {'; '.join(found)}. What is done stays"
            )
        try:
            raise stopped
        finally:
            stopped.__context__ = None  # the database's error, which has the statement and its values


def _rights(tables: Sequence[str]) -> str:
    """Return what the user of the database has to be allowed, in words that come before another request."""
    own = " and ".join(checkpoint_tables.tables)
    return (
        f"grant the engine's user what is missing of SELECT and UPDATE on {', '.join(dict.fromkeys(tables))}, and of "
        f"SELECT, INSERT, UPDATE and DELETE on {own} (if that user may not make these two, another one "
        "does by checkpoint_tables.create_all(engine)), and "
    )
