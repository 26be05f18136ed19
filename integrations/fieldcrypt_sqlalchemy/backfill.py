"""The job that encrypts what has been plaintext: it fills protected columns from others. See docs/alembic.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Engine, Select, and_, delete, false, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, class_mapper, lazyload, load_only, object_mapper
from sqlalchemy.orm.attributes import instance_state

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.keyset import MAX_FAILURES, Key, beyond
from fieldcrypt_sqlalchemy.plan import Plan
from fieldcrypt_sqlalchemy.rows import plan_of

__all__ = ["BackfillReport", "backfill", "differing"]

Values = dict[str, Any]


class BackfillReport(NamedTuple):
    """What a run of `backfill` did.

    Attributes:
        filled: how many rows got protected values.
        failed: how many could not.
        failures: error by primary key, of the first 1,000 that failed. `TypeError`, `ValueError`: the column's type, or
            the normaliser of its blind index, does not take the value; SQLAlchemy's `IntegrityError`: the blind index
            is unique, and another row has the value already.
    """

    filled: int
    failed: int
    failures: dict[Key, Exception]


def backfill(
    engine: Engine,
    model: type,
    copies: Mapping[str, str],
    *,
    batch: int = 500,
    on_progress: Callable[[int], object] | None = None,
) -> BackfillReport:
    """Fill protected attributes, where they are NULL, with the values of plaintext ones; their blind indexes, too.

        report = backfill(engine, Patient, {"ssn_plain": "ssn"})

    Works while others read and write: a batch of rows is locked, read once more, and filled. What is filled is never
    overwritten. It can be interrupted and repeated: a run begins with what is still NULL. Keys are fetched while
    nothing is locked. With an AsyncEngine: `await connection.run_sync(lambda sync: backfill(sync.engine, …))`.

    Args:
        engine: where the rows are.
        model: a mapped class.
        copies: from which attribute to which. None stays None.
        batch: rows a transaction.
        on_progress: called after each batch with how many rows were filled.

    Raises:
        ValueError: a batch is a row at least.
        ConfigurationError: the model has no such attributes.
        DecryptionError: another value of a row does not decrypt; the batches before it are done.
        KeyProviderError, KeyStoreError: keys cannot be had; likewise.
    """
    rows = _Rows(engine, model, copies)
    job = _Job(rows)
    for page in rows.pages(batch, only_unfilled=True):
        job.fill(page)
        if on_progress is not None:
            on_progress(job.filled)
    return BackfillReport(job.filled, job.failed, job.failures)


def differing(engine: Engine, model: type, copies: Mapping[str, str], *, batch: int = 500) -> Iterator[Key]:
    """Yield the primary keys of rows whose protected values are not the plaintext ones. Reads all rows, locks none.

        assert not list(differing(engine, Patient, {"ssn_plain": "ssn"}))

    Args:
        engine, model, copies: as for `backfill`.
        batch: rows that are read at a time.

    Raises:
        As `backfill`.
    """
    rows = _Rows(engine, model, copies)
    for page in rows.pages(batch):
        for row in page:
            attributes = rows.plan(row).attributes
            for plain, protected in copies.items():
                if not attributes[protected].type.compare_values(getattr(row, plain), getattr(row, protected)):
                    yield rows.key_of(row)
                    break


class _Rows:
    """The rows of a model."""

    def __init__(self, engine: Engine, model: type, copies: Mapping[str, str]) -> None:
        mapper: Any = class_mapper(model)
        plan = plan_of(mapper)
        protected = {} if plan is None else plan.attributes
        wrong = [name for name in copies.values() if name not in protected]
        wrong += [name for name in copies if name not in mapper.columns or name in protected]
        if wrong or not copies or plan is None:
            raise ConfigurationError(
                f"{model.__name__}: give attributes by name, from a plaintext column to an encrypted one"
                + "".join(f"; {name!r} is none" for name in wrong[:1])
            )
        self.engine = engine
        self.copies = dict(copies)
        self._model = model
        self._mapper = mapper
        self._key = [getattr(model, mapper.get_property_by_column(column).key) for column in mapper.primary_key]
        bound_to = () if plan.row is None else plan.row.names
        self._needed = [getattr(model, name) for name in dict.fromkeys((*copies, *copies.values(), *bound_to))]

    def pages(self, size: int, *, only_unfilled: bool = False) -> Iterator[Sequence[Any]]:
        """Yield rows in the order of their keys, with what is needed of them, and without a transaction."""
        if size < 1:
            raise ValueError("a batch is a row at least")
        loaded = load_only(*self._key, *self._needed)
        query: Select[Any] = select(self._model).options(loaded, lazyload("*")).order_by(*self._key).limit(size)
        if only_unfilled:
            pairs = ((getattr(self._model, a), getattr(self._model, b)) for a, b in self.copies.items())
            query = query.where(or_(*(and_(plain.is_not(None), protected.is_(None)) for plain, protected in pairs)))
        page = query
        while True:
            with Session(self.engine) as session:
                rows = session.scalars(page).all()
            if not rows:
                return
            yield rows
            page = query.where(beyond(self._key, self.key_of(rows[-1])))

    def locked(self, session: Session, keys: Sequence[Key]) -> Sequence[Any]:
        """Return rows that nobody else changes until the transaction ends."""
        if session.get_bind().dialect.name == "sqlite":  # which has no locks of rows: a write takes the database's
            session.connection().execute(delete(self._mapper.local_table).where(false()))
        one = len(self._key) == 1
        these = self._key[0].in_([key[0] for key in keys]) if one else tuple_(*self._key).in_(keys)
        return session.scalars(select(self._model).where(these).options(lazyload("*")).with_for_update()).all()

    def key_of(self, row: Any) -> Key:
        """Return a row's primary key."""
        return tuple(self._mapper.primary_key_from_instance(row))

    def plan(self, row: Any) -> Plan:
        """Return the plan of the class, or derived class, that a row is of."""
        return cast(Plan, plan_of(object_mapper(row)))


class _Job:
    """Fills rows, batch by batch."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self.filled = self.failed = 0
        self.failures: dict[Key, Exception] = {}

    def fill(self, page: Sequence[Any]) -> None:
        """Fill the rows of a page."""
        keys = []
        for row in page:
            key = self._rows.key_of(row)
            try:
                self._rehearse(row)
            except (TypeError, ValueError) as error:
                self._fail(key, error)
            else:
                keys.append(key)
        if keys:
            self._write(keys)

    def _rehearse(self, row: Any) -> None:
        """Encrypt the values of a row in vain, so that its keys are at hand when it is locked."""
        plan = self._rows.plan(row)
        bound_to: tuple[Mapping[str, str], str | None] = (
            ({}, None) if plan.row is None else plan.row.current(instance_state(row))
        )
        for protected, value in self._missing(row).items():
            attribute = plan.attributes[protected]
            attribute.field.seal(value, *bound_to)
            if attribute.searchable:
                attribute.tagger.tag(value, bound_to[1])

    def _missing(self, row: Any) -> Values:
        """Return what is to be put into the protected attributes of a row."""
        values = {protected: getattr(row, plain) for plain, protected in self._rows.copies.items()}
        return {name: value for name, value in values.items() if value is not None and getattr(row, name) is None}

    def _write(self, keys: Sequence[Key]) -> None:
        """Fill rows, as they are now, in one transaction; if one of them cannot be filled, each in its own."""
        filled = 0
        try:
            with Session(self._rows.engine) as session, session.begin():
                for row in self._rows.locked(session, keys):
                    missing = self._missing(row)
                    filled += bool(missing)
                    for name, value in missing.items():
                        setattr(row, name, value)
        except (IntegrityError, TypeError, ValueError) as error:
            if len(keys) == 1:
                self._fail(keys[0], error)
            for key in keys if len(keys) > 1 else ():
                self._write([key])
        else:
            self.filled += filled

    def _fail(self, key: Key, error: Exception) -> None:
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures[key] = error
