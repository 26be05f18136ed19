"""Rules for listeners, which come and go, and read and set what is protected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.sqlalchemy.row_rule.models import PROTECTED, TENANTS, number_of
from tests.sqlalchemy.row_rule.scene import Scene, door

__all__ = ["Listeners"]

WHEN = st.sampled_from(["before_insert", "before_update", "before_flush", "set"])
WHAT = st.sampled_from(["read", "strip", "set", *TENANTS])


class Listeners(Scene):
    """Listens to mappers, sessions and attributes, before others do or after them."""

    def __init__(self) -> None:
        super().__init__()
        self.listening: list[tuple[Any, str, Any]] = []

    def teardown(self) -> None:
        """Commit what is left while they listen, and take them away."""
        try:
            super().teardown()
        finally:
            while self.listening:
                event.remove(*self.listening.pop())

    @door("listeners", when=WHEN, what=WHAT, first=st.booleans())
    def listen(self, when: str, what: str, first: bool) -> None:
        """Add a listener, three at most."""
        if len(self.listening) == 3:
            return
        act = self._action(what, when)
        added: list[tuple[Any, str, Any]]
        if when == "set":
            added = [(self.shape.model.note, "set", lambda target, value, *_: act(target))]
        elif when == "before_flush":
            added = [(session, when, _before_flush(act, self.shape.model)) for session in self.sessions]
        else:
            added = [(self.shape.model, when, lambda mapper, connection, target: act(target))]
        for target, name, listener in added:
            event.listen(target, name, listener, **({} if name == "set" else {"insert": first}))
        self.listening += added

    @door("listeners")
    def stop_listening(self) -> None:
        """Take the last one away."""
        if self.listening:
            event.remove(*self.listening.pop())

    def _action(self, what: str, when: str) -> Callable[[Any], None]:
        def act(target: Any) -> None:
            if what == "read":
                for name in PROTECTED:
                    number_of(getattr(target, name))
            elif what == "strip":
                target.ssn = target.ssn.strip()
            elif what == "set":
                self.put(target, "ssn", f"{when} listener")
            else:
                target.clinic = what

        return act


def _before_flush(act: Callable[[Any], None], model: Any) -> Callable[..., None]:
    def before_flush(session: Session, *_: Any) -> None:
        for instance in [*session.new, *session.dirty]:
            if isinstance(instance, model) and instance not in session.deleted:
                act(instance)

    return before_flush
