"""What is found of keys in the memory of a process, before and after its Encryptor is closed, by both backends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.section import Table
from tests.native.searched_process import searched

__all__ = ["key_material"]


def key_material(backends: Iterable[str]) -> Table | str:
    """Search, or return the reason why not."""
    if not Path("/proc/self/mem").exists():
        return "only Linux shows a process's memory"
    rows = []
    for backend in backends:
        before, after = searched(backend)
        derived = (str(sum(found.derived.values())) for found in (before, after))
        rows.append((backend, *derived, str(before.data_keys), str(after.data_keys)))
    return Table(
        "Key material found in the memory of a process",
        ("backend", "derived, in use", "derived, closed", "data keys, in use", "data keys, closed"),
        tuple(rows),
        note=(
            "Derived are encryption, index and record keys, subkeys and their schedules. Natively none is left after "
            "close(). Data keys come through Python, which cannot wipe: their number is shown, and not promised."
        ),
    )
