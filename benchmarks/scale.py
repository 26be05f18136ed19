"""How far one process, and one machine, goes: throughput by threads and processes, memory by tenants."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.scale_workload import Megabytes, begin, field, memory, round_trips
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table

__all__ = ["BENCHMARK", "complaints"]

SIZES = (64, 16_384, 1_048_576)
TOGETHER = (1, 2, 4)  # threads, or processes
TENANTS, QUICK_TENANTS = (1_000, 3_000, 10_000, 30_000, 100_000), (300, 1_000, 5_000)
CACHED, QUICK_CACHED = (10_000, 100_000), (300, 1_000)
DEFAULT = 10_000  # of KeyPolicy.max_cached_keys
MOST = 10.0  # kilobytes a key that is held
HELD = 3  # times the bound: by the keyring, and as many again twice by a field's prepared writers
OTHERS = 20_000  # kilobytes of whatever else there is

_MEANING = (
    "Threads: Python runs one at a time, so a second thread brings nothing for short values, and costs a little. "
    "cryptography lets others run while it works on a value of 2 KiB or more, which pays from some ten KiB on. "
    "Processes share nothing, so they bring what the cores can give.",
    "Memory: what a process needs grows with the data keys that it holds, not with tenants, values or time. "
    "KeyPolicy(max_cached_keys=…) is the bound; a tenant whose key was dropped costs a KMS call on his return.",
)


class Throughput(NamedTuple):
    """Round trips a second of several workers, beside those of one.

    Attributes:
        workers: threads or processes.
        together: how many of them.
        size: of a text, in bytes.
        per_second: round trips of all of them, the median over the rounds.
        ratio: to one worker in the same round, the median.
    """

    workers: str
    together: int
    size: int
    per_second: float
    ratio: float


def run(options: Options) -> Section:
    """Measure."""
    speeds = _throughput(options)
    grown = _memory(options)
    return Section(
        name="scale",
        title="Scale: threads, processes, tenants",
        summary=_summary(speeds, grown),
        meaning=_MEANING,
        tables=(_speed_table(speeds), _memory_table(grown)),
        charts=(_speed_chart(speeds), _memory_chart(grown)),
        figures={
            "throughput": [speed._asdict() for speed in speeds],
            "memory_mb": {str(cached): dict(found) for cached, found in grown.items()},
        },
        complaints=tuple(complaints(grown)),
    )


BENCHMARK = Benchmark("scale", "Throughput by threads and processes, memory by tenants", run, seconds=(150, 8))


def _summary(speeds: Sequence[Throughput], grown: Mapping[int, list[tuple[int, Megabytes]]]) -> str:
    (two,) = (each for each in speeds if (each.workers, each.together, each.size) == ("processes", 2, SIZES[0]))
    said = f"Two processes encrypt and decrypt {two.ratio:.1f} times as many short values as one."
    if grown:
        bound, (*_, (tenants, megabytes)) = next(iter(grown.items()))
        said += (
            f" A process that meets {tenants:,} tenants and keeps {bound:,} keys takes {megabytes:,.0f} MB for them."
        )
    return said


def _throughput(options: Options) -> list[Throughput]:
    rounds, seconds = (2, 0.05) if options.quick else (9, 0.3)
    contests = [(kind, count, size) for kind in ("threads", "processes") for count in TOGETHER for size in SIZES]
    found: dict[tuple[str, int, int], list[float]] = {contest: [] for contest in contests}
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        processes = stack.enter_context(
            ProcessPoolExecutor(max(TOGETHER), mp_context=context, initializer=begin)  # each makes a key for itself
        )
        threads = stack.enter_context(ThreadPoolExecutor(max(TOGETHER)))
        pools: Mapping[str, tuple[Executor, Callable[..., float]]] = {
            "threads": (threads, partial(round_trips, of=field())),
            "processes": (processes, round_trips),
        }
        for number in range(rounds + 1):
            for contest in random.sample(contests, len(contests)):
                kind, count, size = contest
                pool, work = pools[kind]
                together = _together(pool, count, partial(work, size, seconds=seconds))
                if number:  # the first round starts processes, and makes their keys
                    found[contest].append(together)
            options.advance(0.5 / (rounds + 1), "threads and processes")
    return [
        Throughput(
            *contest,
            statistics.median(values),
            statistics.median(mine / one for mine, one in zip(values, found[contest[0], 1, contest[2]], strict=True)),
        )
        for contest, values in found.items()
    ]


def _together(pool: Executor, count: int, work: Callable[..., float]) -> float:
    start = time.time() + 0.02  # until then all of them have been told
    return sum(done.result() for done in [pool.submit(work, start=start) for _ in range(count)])


def _memory(options: Options) -> dict[int, list[tuple[int, Megabytes]]]:
    """Return (tenants, megabytes) for each bound; every bound has a process of its own."""
    if not sys.platform.startswith("linux"):
        return {}
    counts, bounds = (QUICK_TENANTS, QUICK_CACHED) if options.quick else (TENANTS, CACHED)
    context, found = multiprocessing.get_context("spawn"), {}
    for bound in bounds:
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as process:
            grown = process.submit(memory, Path(folder), counts, bound).result()
        found[bound] = list(zip(counts, grown, strict=True))
        options.advance(0.5 / len(bounds), f"tenants, {bound:,} cached keys")
    return found


def _kilobytes(grown: Mapping[int, list[tuple[int, Megabytes]]]) -> float:
    """Return what a cached key takes, by the most of them that were there."""
    return max(
        (tenants, megabytes * 1000 / tenants)
        for bound in grown
        for tenants, megabytes in grown[bound]
        if tenants <= bound
    )[1]


def complaints(grown: Mapping[int, list[tuple[int, Megabytes]]]) -> list[str]:
    """Return what is not as promised, or nothing if all is well."""
    return [
        f"{tenants:,} tenants with {bound:,} cached keys take {megabytes:,.0f} MB, more than {MOST:.0f} KB a held key"
        for bound, found in grown.items()
        for tenants, megabytes in found
        if megabytes * 1000 > MOST * min(HELD * bound, tenants) + OTHERS
    ]


def _speed_table(speeds: list[Throughput]) -> Table:
    rows = tuple(
        (
            speed.workers,
            f"{speed.size:,}",
            str(speed.together),
            f"{speed.per_second:,.0f}",
            f"{speed.per_second * speed.size / 1e6:,.0f}",
            f"{speed.ratio:.2f}",
        )
        for speed in sorted(speeds, key=lambda speed: (speed.workers, speed.size, speed.together))
    )
    columns = ("workers", "bytes", "together", "round trips/s", "MB/s", "x one")
    return Table(
        "Encrypt and decrypt a text, by threads or processes at a time",
        columns,
        rows,
        note=f"On {multiprocessing.cpu_count()} cores; as many processes as cores is the most that can help.",
    )


def _memory_table(grown: Mapping[int, list[tuple[int, Megabytes]]]) -> Table:
    rows = tuple(
        (f"{bound:,}" + (" (default)" if bound == DEFAULT else ""), f"{tenants:,}", f"{megabytes:,.1f}")
        for bound, found in grown.items()
        for tenants, megabytes in found
    )
    note = f"A key takes {_kilobytes(grown):.1f} KB." if grown else "Memory is read from /proc, which is not here."
    return Table(
        "Memory of one process that meets so many tenants", ("max_cached_keys", "tenants", "MB"), rows, 1, note
    )


def _speed_chart(speeds: list[Throughput]) -> Chart:
    series = tuple(
        Series(
            f"{workers}, {size:,} bytes",
            tuple((speed.together, speed.ratio) for speed in speeds if (speed.workers, speed.size) == (workers, size)),
        )
        for workers in ("processes", "threads")
        for size in SIZES
    )
    return Chart("Throughput beside one worker", "lines", series, x="workers", y="x one worker")


def _memory_chart(grown: Mapping[int, list[tuple[int, Megabytes]]]) -> Chart:
    series: Any = tuple(Series(f"at most {bound:,} keys", tuple(found)) for bound, found in grown.items())
    return Chart("Memory stops growing at the bound", "lines", series, x="tenants", y="MB", log_x=True)
