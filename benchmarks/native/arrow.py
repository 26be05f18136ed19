"""Columns of Arrow, texts of 20 bytes: fields a second on one core, by both backends."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping
from time import process_time

import pyarrow as pa

from benchmarks.native.row import NATIVE, PURE, Row
from fieldcrypt import Encryptor
from fieldcrypt.columns import arrow

__all__ = ["arrow_row", "millions"]

SIZE = 20


def millions(figure: float) -> str:
    """Show how many a second."""
    return f"{figure / 1e6:.2f} M"


def arrow_row(encryptors: Mapping[str, Encryptor], count: int, rounds: int) -> Row:
    """Encrypt and decrypt a column.

    By the seconds of the processor, of all threads: whoever used two cores would not look faster for it. The best of
    the rounds counts: what it is compared with is a number, and not another's time in the same round.
    """
    texts = pa.array([f"{number:0{SIZE}}" for number in range(count)])
    works: dict[tuple[str, str], Callable[[], object]] = {}
    for name, keys in encryptors.items():
        works |= _works(name, keys, texts)
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for which in random.sample(list(works), len(works)):
            best[which] = min(best[which], _seconds(works[which]))
    found = {name: tuple(count / best[name, verb] for verb in ("encrypt", "decrypt")) for name in encryptors}
    goals = {PURE: (700_000.0,) * 2, NATIVE: (5_000_000.0,) * 2}
    work = f"Arrow columns, texts of {SIZE} B, fields a second and core"
    return Row(work, "–", ("encrypt", "decrypt"), found, goals, more_is_better=True, show=millions)


def _works(name: str, keys: Encryptor, texts: pa.Array) -> dict[tuple[str, str], Callable[[], object]]:
    field = keys.field("benchmark.text", str)
    stored = arrow.encrypt_column(field, texts)
    if not arrow.decrypt_column(field, stored).equals(texts):
        raise AssertionError("a column did not come back")
    return {
        (name, "encrypt"): lambda: arrow.encrypt_column(field, texts),
        (name, "decrypt"): lambda: arrow.decrypt_column(field, stored),
    }


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = process_time()
    made = work()
    seconds = process_time() - start
    del made
    return seconds
