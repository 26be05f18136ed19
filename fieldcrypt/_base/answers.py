"""Questions that may never be answered, and how long to wait for an answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from threading import Condition
from typing import Any, Generic, TypeVar

from fieldcrypt import _system

__all__ = ["Answers"]

_MOST = 1000  # answers that are kept; the oldest are forgotten first

T = TypeVar("T")
R = TypeVar("R")


class Answers(Generic[T]):
    """Asks each question in a thread of its own, one at a time, and keeps the last answer to each.

    Callers wait until a deadline at most, whatever a socket does. A question that is being asked is not asked again:
    callers who arrive meanwhile wait for the same answer. One that arrives too late is kept for the next caller. The
    threads are daemons, so a process can end without waiting for them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start without threads; also in a forked child, which has none."""
        self._changed = Condition()
        self._asked: set[Hashable] = set()
        self._sharing: dict[Hashable, list[Callable[[Any], object]]] = {}

    def recent(self, question: Hashable) -> tuple[T, float] | None:
        """Return the last answer to a question and its age in seconds, or None."""
        with self._changed:
            kept = self._kept.get(question)
        return None if kept is None else (kept[0], _system.monotonic() - kept[1])

    def ask(self, questions: Mapping[Hashable, Callable[[], T]], seconds: float) -> dict[Hashable, T]:
        """Return the answers that come within some seconds, by question.

        Args:
            questions: and what finds the answer to each. It handles its own errors: after one there is no answer.
            seconds: how long to wait for all of them together.
        """
        end = _system.monotonic() + seconds
        with self._changed:
            before = {question: self._kept.get(question) for question in questions}
            new = [question for question in questions if question not in self._asked]
            self._asked.update(new)
        for question in new:
            self._start(question, questions[question])

        def answered(question: Hashable) -> bool:
            return self._kept.get(question) is not before[question]

        with self._changed:
            self._changed.wait_for(
                lambda: all(answered(question) or question not in self._asked for question in questions),
                max(0.0, end - _system.monotonic()),
            )
            return {question: self._kept[question][0] for question in questions if answered(question)}

    def share(self, name: Hashable, work: Callable[[], R], tell: Callable[[R | BaseException], object]) -> None:
        """Have work done in a thread, or, if work of that name is being done, share what comes of it. It is not kept.

        For event loops, which a thread for each of a thousand waiting callers would hold up.

        Args:
            name: of the work.
            work: what to do; it may ask.
            tell: called in the thread, with what `work` returned or raised. It raises nothing itself.
        """
        with self._changed:
            if name in self._sharing:
                self._sharing[name].append(tell)
                return
            told = self._sharing[name] = [tell]
        changed, sharing = self._changed, self._sharing  # a child that is forked meanwhile has others

        def end(outcome: R | BaseException) -> None:
            with changed:
                del sharing[name]
            for each in told:
                each(outcome)

        def run() -> None:
            outcome: R | BaseException
            try:
                outcome = work()
            except BaseException as error:  # noqa: BLE001 (those who wait must hear of it, whatever it is)
                outcome = error
            end(outcome)

        try:
            _system.start_thread(run)
        except RuntimeError as error:  # at the end of the process
            end(error)

    def _start(self, question: Hashable, work: Callable[[], T]) -> None:
        changed, asked = self._changed, self._asked  # a child that is forked meanwhile has others

        def find() -> None:
            try:
                answer = work(), _system.monotonic()
                with changed:
                    self._kept[question] = answer
                    self._kept.move_to_end(question)
                    while len(self._kept) > _MOST:
                        self._kept.popitem(last=False)
            finally:
                with changed:
                    asked.discard(question)
                    changed.notify_all()

        try:
            _system.start_thread(find)
        except RuntimeError:  # at the end of the process
            with changed:
                asked.discard(question)
