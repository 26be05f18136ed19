"""What all rules of the machine share: two sessions, and what happens to an operation that is refused."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import IntegrityError, InvalidRequestError, ProgrammingError, SAWarning
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import DetachedInstanceError, FlushError, ObjectDeletedError, StaleDataError

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt_sqlalchemy import seal
from tests.sqlalchemy.row_rule.ledger import Ledger, RowRuleError
from tests.sqlalchemy.row_rule.models import DEFAULTS, LABELS, MARK, PROTECTED, TENANTS, Shape, text_of

__all__ = ["COLUMNS", "KEYS", "OWNERS", "SESSIONS", "Scene", "Step", "door", "step"]

# By fieldcrypt, by the database, or by SQLAlchemy: the row is gone, or there is another object for it.
REFUSALS = (
    FieldcryptError,
    StaleDataError,
    IntegrityError,
    FlushError,
    ObjectDeletedError,
    InvalidRequestError,
    DetachedInstanceError,
)
_TWICE = "cannot affect row a second time"  # PostgreSQL of an upsert whose rows meet the same one
SESSIONS = st.sampled_from([0, 1])
KEYS = st.sampled_from(LABELS)
OWNERS = st.sampled_from(TENANTS)
COLUMNS = st.sampled_from(PROTECTED)

Step = tuple[str, dict[str, Any]]  # the name of a rule, and its arguments


def step(**strategies: Any) -> Callable[[Any], Any]:
    """Make a rule of a method, one whose runs are noted."""

    def decorate(method: Any) -> Any:
        @wraps(method)
        def noted(self: Scene, **arguments: Any) -> None:
            self.steps.append((method.__name__, arguments))
            self.tally["steps"] += 1
            method(self, **arguments)

        made: Any = rule(**strategies)
        return made(noted)

    return decorate


def door(name: str, **strategies: Any) -> Callable[[Any], Any]:
    """Make a rule of a way to change rows, one that can be left out by its name."""
    return lambda method: precondition(lambda self: name in self.doors)(step(**strategies)(method))


class Scene(RuleBasedStateMachine):
    """Two sessions on one database, only one of which has written something that is not committed.

    Attributes:
        shape, engine: what it works on.
        doors: the ways to change rows that are tried.
        tally: how many operations had which outcome.
        latest: the steps of the machine that was made last.
    """

    shape: ClassVar[Shape]
    engine: ClassVar[Engine]
    doors: ClassVar[frozenset[str]]
    tally: ClassVar[Counter[str]]
    latest: ClassVar[list[Step]]

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.shape, self.engine, defaults="defaults" in self.doors)
        self.sessions = [Session(self.engine, expire_on_commit=expire) for expire in (False, True)]
        self.held: list[dict[str, Any]] = [{}, {}]  # objects, by the label of the row that they were loaded for
        self.savepoints: list[list[Any]] = [[], []]
        self.steps: list[Step] = []
        type(self).latest = self.steps
        self.disturbed = [False, False]  # whether rows of a session's objects were changed past those objects
        self.replaced = False  # in a flush that is due, by an object that leaves attributes out
        self._writer: int | None = None  # the session that has sent what is not committed

    @initialize()
    def two_rows(self) -> None:
        """Begin with a row of each of two tenants."""
        for label, tenant in zip(LABELS[:2], TENANTS[:2], strict=True):
            self.sessions[0].add(self.new(label, tenant, "the beginning"))
        self.commit(0)
        self.disturbed = [False, False]

    def teardown(self) -> None:
        """Commit what is left, and check it."""
        try:
            for s in (0, 1):
                self.commit(s)
        finally:
            for session in self.sessions:
                session.close()
            self.ledger.close()

    # Values

    def row(self, label: str, tenant: str, by: str, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return new values of a row, in plaintext."""
        row: dict[str, Any] = {**self.shape.key(label), "clinic": tenant}
        for name in PROTECTED:
            number = self.ledger.number(by)
            if name in without:
                row[f"{name}_no"] = -number
                self.ledger.left_out.add(-number)
            else:
                row |= {name: text_of(number), f"{name}_no": number}
        return row

    def sealed(self, row: dict[str, Any], *, defaults: bool = False) -> dict[str, Any]:
        """Return the values of a row as statements take them."""
        return seal(self.shape.model, row, defaults=defaults) if self.shape.decorated else dict(row)

    def new(self, label: str, tenant: str, by: str, *, without: tuple[str, ...] = ()) -> Any:
        """Return a new object."""
        return self.shape.model(**self.row(label, tenant, by, without=without))

    def put(self, instance: Any, name: str, by: str) -> None:
        """Set a protected attribute to a new value."""
        number = self.ledger.number(by)
        setattr(instance, name, text_of(number))
        setattr(instance, f"{name}_no", number)

    def clear(self, instance: Any, name: str, by: str) -> None:
        """Set a protected attribute to None, unless it is: what does not change is not written."""
        if getattr(instance, name) is not None:
            setattr(instance, name, None)
            setattr(instance, f"{name}_no", -self.ledger.number(by))

    def find(self, s: int, label: str) -> Any:
        """Return a session's object of a row: the one that it has had for long, or else the one that it loads."""
        held = self.held[s].get(label)
        if held is not None and held in self.sessions[s] and not inspect(held).deleted:
            return held
        with self.sessions[s].no_autoflush:
            self.held[s][label] = self.sessions[s].get(self.shape.model, self.shape.identity(label))
        return self.held[s][label]

    # Operations

    def attempt(
        self,
        s: int,
        what: str,
        act: Callable[[Session], Any],
        *,
        statement: bool = False,
        must: bool = False,
        parts: bool = False,
    ) -> bool:
        """Do something in a session, and return True if it was done.

        What is refused is rolled back. The flush of objects is not refused, unless somebody changed their row
        meanwhile; a statement is refused before any of it is sent, and not at all if it must be done. What the ORM
        sends in parts is refused when the part is due.
        """
        self.settle(1 - s)
        session = self.sessions[s]
        self.ledger.sent.clear()
        self.ledger.since.append(what)
        DEFAULTS.from_statement = statement
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # of two objects for one row, which is what is meant
                act(session)
        except (*REFUSALS, ProgrammingError) as error:
            if isinstance(error, ProgrammingError) and _TWICE not in str(error):
                raise
            if must and isinstance(error, FieldcryptError):
                raise RowRuleError(f"{what} is right, and was refused: {error}") from None
            if statement and isinstance(error, FieldcryptError) and self.ledger.sent and not parts:
                raise RowRuleError(f"{what} was refused after {self.ledger.sent[0]}: {error}") from None
            self._refused(s, what, error, statement)
            return False
        finally:
            if self.ledger.sent:
                self._writer = s if session.in_transaction() else self._writer
                self.disturbed[1 - s] = True
                self.disturbed[s] |= statement
        self.tally[f"{what}: done"] += 1
        return True

    def execute(self, s: int, what: str, act: Callable[[Session], Any], **how: bool) -> None:
        """Do a statement, after all that the session has pending, so that what is refused is the statement."""
        if self.flush(s):
            self.attempt(s, what, act, statement=True, **how)

    def flush(self, s: int) -> bool:
        """Flush a session, and return True if that was done."""
        return self.attempt(s, "flush", lambda session: session.flush())

    def commit(self, s: int) -> None:
        """Commit a session, and check what the database holds now."""
        if self.attempt(s, "commit", lambda session: session.commit()):
            self.savepoints[s].clear()
            self.replaced = False
            self._writer = None
            self.ledger.check()

    def settle(self, s: int) -> None:
        """Commit what a session has sent: the other one would wait for it for ever."""
        if self._writer == s:
            self._writer = None
            self.commit(s)

    def roll_back(self, s: int) -> None:
        """Roll a session back, and see that nothing is left of it."""
        self.savepoints[s].clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)
            self.sessions[s].rollback()
        self.replaced = False
        if self._writer == s:
            self._writer = None
        self.ledger.check_unchanged()

    def _refused(self, s: int, what: str, error: Exception, statement: bool) -> None:
        self.tally["refused"] += 1
        self.tally[f"{what}: {type(error).__name__}"] += 1
        ours = isinstance(error, FieldcryptError)
        if MARK in str(error):
            raise RowRuleError(f"{what}: the message has plaintext: {error}")
        if statement and isinstance(error, DecryptionError):
            raise RowRuleError(f"{what}: {error}")
        if not statement and "compound index" in str(error):
            raise RowRuleError(f"{what} of objects was refused, which know all members: {error}")
        loaded = self._loaded(s)
        if not (statement and ours and self.sessions[s].is_active):
            self.roll_back(s)
        if not statement and ours and not self.replaced and not self._is_stale(loaded):
            raise RowRuleError(f"{what} of objects was refused: {type(error).__name__}: {error}")
        if isinstance(error, StaleDataError) and not self.disturbed[s] and not statement:
            raise RowRuleError(f"{what}: nobody else has changed anything, but {error}")

    def _loaded(self, s: int) -> list[tuple[Any, Any]]:
        """Return the key and the tenant that the objects of a session were loaded with."""
        found = []
        for instance in self.sessions[s].identity_map.values():
            state: Any = inspect(instance)
            found.append((state.key[1], state.committed_state.get("clinic", state.dict.get("clinic"))))
        return found

    def _is_stale(self, loaded: list[tuple[Any, Any]]) -> bool:
        rows = self.ledger.dump()
        return any(key not in rows or tenant != rows[key]["clinic"] for key, tenant in loaded)
