"""One worker of a step: it claims segments of the table, and does page after page of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import Any

from fieldcrypt.migration import Failures, Meter, MigrationError, Pace
from fieldcrypt_dynamodb.migration.access import TableAccess
from fieldcrypt_dynamodb.migration.checkpoints import LEASE, Checkpoints, LostSegmentError
from fieldcrypt_dynamodb.migration.item import Examiner
from fieldcrypt_dynamodb.migration.run import Run, Segment
from fieldcrypt_dynamodb.migration.steps import Change, Step
from fieldcrypt_dynamodb.migration.update import update_of

__all__ = ["Worker"]

_TRIES = 10  # of an item that others keep changing
_WAIT = 0.25  # seconds until the last segments of others are looked at again


class Worker:
    """Works at a step over a table until nothing is left, or it is told to stop.

    Args:
        access: to the table's items.
        checkpoints: where to claim segments, and to write down what is done.
        step: what is done.
        examiner: tells what items are.
        name: of this worker.
        batch: items a page, and a checkpoint.
        pace: how fast to go.
        meter: counts.
        failures: where to tell what could not be done.
        stop: set when all are to stop at their next checkpoint.
    """

    def __init__(
        self,
        access: TableAccess,
        checkpoints: Checkpoints,
        step: Step,
        examiner: Examiner,
        name: str,
        batch: int,
        pace: Pace,
        meter: Meter,
        failures: Failures,
        stop: Event,
    ) -> None:
        self._access = access
        self._checkpoints = checkpoints
        self._step = step
        self._examiner = examiner
        self._name = name
        self._batch = batch
        self._pace = pace
        self._meter = meter
        self._failures = failures
        self._stop = stop

    def run(self, run: Run) -> None:
        """Work at a run."""
        while not self._stop.is_set():
            claimed = self._checkpoints.claim(run, self._name)
            if isinstance(claimed, Segment):
                self._work(claimed)
            elif claimed:
                self._stop.wait(_WAIT)
            else:
                return

    def _work(self, segment: Segment | None) -> None:
        held = segment
        try:
            while segment is not None and not self._stop.is_set():
                held = segment
                if not self._checkpoints.keep(segment.run):
                    self._stop.set()
                    return
                segment = self._page(segment)
                if segment is None:
                    held = None
        except LostSegmentError:
            held = None  # somebody else goes on with it
        finally:
            if held is not None:
                with suppress(MigrationError):  # then its lease ends by itself
                    self._checkpoints.release(held, self._name)

    def _page(self, segment: Segment) -> Segment | None:
        """Do the next items of a segment; return what is left of it."""
        items, last = self._access.scan(segment.place, segment.position, self._batch)
        changed = failed = 0
        renewed = time.monotonic()
        for raw in items:
            self._pace.take(1)
            is_changed, error = self._item(raw)
            changed += is_changed
            if error is not None:
                failed += 1
                self._failures.add(self._examiner.item(raw).name, error)
            if time.monotonic() - renewed > LEASE / 3:
                renewed = time.monotonic()
                self._checkpoints.hold(segment, self._name)
                self._checkpoints.keep(segment.run)
        counts = (len(items), changed, failed)
        done, was_changed, had_failed = segment.counts
        segment = replace(
            segment,
            position=segment.position if last is None else last,
            counts=(done + len(items), was_changed + changed, had_failed + failed),
        )
        self._checkpoints.advance(segment, self._name, finished=last is None)
        self._meter.add(*counts)
        return None if last is None else segment

    def _item(self, raw: Mapping[str, Any] | None) -> tuple[bool, Exception | None]:
        """Do an item, as it is now; return whether it was changed, and what could not be done."""
        change = Change()
        for _ in range(_TRIES):
            if raw is None:
                return False, None
            item = self._examiner.item(raw)
            change = self._step.change(item)
            if not change.values:
                return False, change.failure
            try:
                if self._access.update(update_of(item, change)):
                    return True, change.failure
            except ValueError as error:
                return False, error
            raw = self._access.get(item.key)
        return False, ValueError("others change the item all the time")
