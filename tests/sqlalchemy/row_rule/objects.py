"""Rules for what applications do with objects, some of which were loaded long before."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session, defer, load_only, make_transient

from tests.sqlalchemy.row_rule.ledger import RowRuleError
from tests.sqlalchemy.row_rule.models import LABELS, PROTECTED, TENANTS, number_of, text_of
from tests.sqlalchemy.row_rule.scene import COLUMNS, KEYS, OWNERS, SESSIONS, Scene, door, step

__all__ = ["Objects"]

HANDLES = st.sampled_from(["h1", "h2", None])
# Protected attributes always together with their numbers, so that both are of one moment.
PARTIAL = st.sampled_from([*PROTECTED, "clinic", "all"])


class Objects(Scene):
    """Loads, changes, moves, detaches and deletes objects."""

    @step(s=SESSIONS)
    def commit_session(self, s: int) -> None:
        self.commit(s)

    @step(s=SESSIONS)
    def flush_session(self, s: int) -> None:
        self.flush(s)

    @step(s=SESSIONS)
    def roll_back_session(self, s: int) -> None:
        self.roll_back(s)

    @step(s=SESSIONS, key=KEYS)
    def read(self, s: int, key: str) -> None:
        """Read all that an object has; only an object whose row was moved meanwhile may fail to open it."""

        def act(session: Session) -> None:
            instance = self.find(s, key)
            for name in PROTECTED if instance is not None else ():
                number = number_of(getattr(instance, name))
                if not self.disturbed[s] and number != number_of(text_of(getattr(instance, f"{name}_no"))):
                    raise RowRuleError(f"{name} of {key!r} reads as {number}")

        self.attempt(s, "read", act)

    @step(s=SESSIONS, key=KEYS, tenant=OWNERS, flush=st.booleans(), without=st.sampled_from([(), ("note",)]))
    def add(self, s: int, key: str, tenant: str, flush: bool, without: tuple[str, ...]) -> None:
        instance = self.new(key, tenant, "add", without=without)
        self._bring(s, instance)
        self.held[s][key] = instance
        if flush:
            self.flush(s)

    @step(s=SESSIONS, key=KEYS, column=COLUMNS)
    def change(self, s: int, key: str, column: str) -> None:
        self._with(s, key, "change", lambda instance: self.put(instance, column, "change"))

    @step(s=SESSIONS, key=KEYS, column=st.sampled_from(PROTECTED[1:]))
    def set_to_none(self, s: int, key: str, column: str) -> None:
        self._with(s, key, "set to None", lambda instance: self.clear(instance, column, "set to None"))

    @step(s=SESSIONS, key=KEYS, handle=HANDLES)
    def change_plain(self, s: int, key: str, handle: str | None) -> None:
        self._with(s, key, "change plain", lambda instance: setattr(instance, "handle", handle))

    @door("move tenant", s=SESSIONS, key=KEYS, to=st.sampled_from(TENANTS))
    def move_to_tenant(self, s: int, key: str, to: str) -> None:
        self._with(s, key, "move tenant", lambda instance: setattr(instance, "clinic", to))

    @door("move key", s=SESSIONS, key=KEYS, to=st.sampled_from(LABELS))
    def move_to_key(self, s: int, key: str, to: str) -> None:
        def act(instance: Any) -> None:
            for name, part in self.shape.key(to).items():
                setattr(instance, name, part)

        self._with(s, key, "move key", act)

    @door("expire", s=SESSIONS, key=KEYS, what=PARTIAL)
    def expire(self, s: int, key: str, what: str) -> None:
        self._with(s, key, "expire", lambda instance: self.sessions[s].expire(instance, _names(what)))

    @door("refresh", s=SESSIONS, key=KEYS, what=PARTIAL)
    def refresh(self, s: int, key: str, what: str) -> None:
        self._with(s, key, "refresh", lambda instance: self.sessions[s].refresh(instance, _names(what)))

    @door("partial load", s=SESSIONS, key=KEYS, only=st.booleans(), what=PARTIAL, populate=st.booleans())
    def load_partially(self, s: int, key: str, only: bool, what: str, populate: bool) -> None:
        """Load an object without some attributes, in a session that has forgotten it or not."""
        model = self.shape.model
        attributes = [getattr(model, name) for name in _names(what) or ()]
        options = [load_only(*attributes)] if only and attributes else [defer(attribute) for attribute in attributes]
        wanted = [getattr(model, name) == part for name, part in self.shape.key(key).items()]
        query = select(model).where(*wanted).options(*options).execution_options(populate_existing=populate)

        def act(session: Session) -> None:
            if not populate and (held := self.held[s].pop(key, None)) is not None and inspect(held).persistent:
                session.expunge(held)
            self.held[s][key] = session.scalars(query).one_or_none()

        if self.flush(s):
            self.attempt(s, "partial load", act)

    @door("delete", s=SESSIONS, key=KEYS)
    def delete(self, s: int, key: str) -> None:
        self._with(s, key, "delete", lambda instance: self.sessions[s].delete(instance))

    @door("replace", s=SESSIONS, key=KEYS, tenant=OWNERS, without=st.sampled_from([(), ("note",), ("email", "note")]))
    def replace(self, s: int, key: str, tenant: str, without: tuple[str, ...]) -> None:
        """Delete an object and add another one with its key, in one flush."""

        def act(instance: Any) -> None:
            self.sessions[s].delete(instance)
            self.replaced = self.replaced or bool(without)
            self.held[s][key] = self.new(key, tenant, "replace", without=without)
            self._bring(s, self.held[s][key])

        if self.flush(s):
            self._with(s, key, "replace", act)

    @door("detach", s=SESSIONS, key=KEYS, to=SESSIONS, how=st.sampled_from(["merge", "pickle, merge", "pickle, add"]))
    def detach(self, s: int, key: str, to: int, how: str) -> None:
        """Take an object out of a session and bring it into one, perhaps by way of a cache."""
        self.commit(s)
        # What has expired is loaded: without its key, an object cannot be merged if its row is deleted meanwhile.
        if not self._with(s, key, "load", lambda instance: instance.clinic):
            return
        instance = self.held[s].get(key)
        if instance is None:
            return
        self.sessions[s].expunge(instance)
        del self.held[s][key]
        if "pickle" in how:
            instance = pickle.loads(pickle.dumps(instance))
        self.commit(to)
        self.disturbed = [True, True]

        def act(session: Session) -> None:
            if "merge" in how:
                self.held[to][key] = session.merge(instance)
            else:
                session.add(instance)
                self.held[to][key] = instance
            session.flush()

        self.attempt(to, how, act)

    @door("copy", s=SESSIONS, key=KEYS, to=KEYS, tenant=st.sampled_from([*TENANTS, None]))
    def copy(self, s: int, key: str, to: str, tenant: str | None) -> None:
        """Make another row of an object, as applications duplicate records."""

        def act(instance: Any) -> None:
            for name in (*PROTECTED, *(f"{name}_no" for name in PROTECTED), "clinic", "handle"):
                getattr(instance, name)
            make_transient(instance)
            for name, part in {**self.shape.key(to), "clinic": tenant or instance.clinic}.items():
                setattr(instance, name, part)
            self.held[s].pop(key, None)
            self._bring(s, instance)

        self._with(s, key, "copy", act)

    @door("savepoint", s=SESSIONS, how=st.sampled_from(["begin", "commit", "roll back"]))
    def savepoint(self, s: int, how: str) -> None:
        def act(session: Session) -> None:
            if how == "begin":
                # Python's driver of SQLite begins a transaction with the first statement that writes, and not before.
                session.execute(text(f"UPDATE {self.shape.tables[-1].name} SET name = name WHERE 1 = 0"))
                self.savepoints[s].append(session.begin_nested())
            elif self.savepoints[s]:
                savepoint = self.savepoints[s].pop()
                if savepoint.is_active:
                    savepoint.commit() if how == "commit" else savepoint.rollback()

        if self.flush(s):
            self.attempt(s, f"{how} savepoint", act)

    def _bring(self, s: int, instance: Any) -> None:
        """Add a new object. Two for one key are written to one row, where the second does not find what it expects."""
        self.disturbed[s] |= bool(self.sessions[s].new)
        self.sessions[s].add(instance)

    def _with(self, s: int, key: str, what: str, act: Any) -> bool:
        """Do something with an object, if there is a row of that key; return whether that was not refused."""

        def found(session: Session) -> None:
            instance = self.find(s, key)
            if instance is not None:
                act(instance)

        return self.attempt(s, what, found)


def _names(what: str) -> list[str] | None:
    if what == "all":
        return None
    return [what, f"{what}_no"] if what in PROTECTED else [what]
