"""fieldcrypt beside other libraries that encrypt values: the same values, in one run, each with its best caching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from benchmarks import peers
from benchmarks.compare import VERBS, Line, Work, compare, times
from benchmarks.peers.peer import Cipher, Peer
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table

__all__ = ["BENCHMARK", "KIB", "MIB", "RECORD", "TEXT", "measure", "work_of"]

OURS, OURS_ALONE = "fieldcrypt", "fieldcrypt, self-contained"
LEVEL = 1.05  # so close to 1 a ratio says nothing

TEXT = "Brigid O'Shaughnessy, 123 Main Street, San Francisco, CA 94110, "
RECORD = {
    "name": "Brigid O'Shaughnessy",
    "ssn": "078-05-1120",
    "email": "brigid@example.org",
    "phone": "+1 415 555 0100",
    "born": "1980-02-29",
}
KIB = TEXT.encode() * 16
MIB = KIB * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """What all peers were given to do.

    Attributes:
        title: of it.
        lines: what each of them took.
        added: how many bytes more than the value each of them stores.
    """

    title: str
    lines: Mapping[str, Line]
    added: Mapping[str, int]


def measure(found: Sequence[Peer], seconds: float) -> Iterator[Task]:
    """Give all peers the same to do, and yield what they took.

    Args:
        found: who takes part; fieldcrypt is the floor of the ratios.
        seconds: how long to go on with each of four tasks.
    """
    yield _task("64 B of text", {peer.name: peer.text("ssn") for peer in found}, TEXT, len(TEXT), seconds)
    size = sum(map(len, RECORD.values()))
    yield _task("5 fields", {peer.name: peer.record(list(RECORD)) for peer in found}, RECORD, size, seconds)
    for title, value in (("1 KiB of bytes", KIB), ("1 MiB of bytes", MIB)):
        yield _task(title, {peer.name: peer.data("scan") for peer in found}, value, len(value), seconds)


def _task(title: str, ciphers: Mapping[str, Cipher[Any]], value: Any, size: int, seconds: float) -> Task:
    work: dict[str, Work] = {}
    added: dict[str, int] = {}
    for name, cipher in ciphers.items():
        stored = cipher.encrypt(value)
        if cipher.decrypt(stored) != value:
            raise AssertionError(f"{name}: {title} did not come back")
        added[name] = cipher.size(stored) - size
        work[name] = work_of(cipher, value, stored)
    return Task(title, compare(work, OURS, seconds), added)


def work_of(cipher: Cipher[Any], value: Any, stored: Any) -> Work:
    """What a contestant does with a value, and with what it stores of it."""
    encrypt, decrypt = cipher.encrypt, cipher.decrypt
    return {"encrypt": lambda: encrypt(value), "decrypt": lambda: decrypt(stored)}


def run(options: Options) -> Section:
    """Measure all that are there."""
    options.advance(0, "importing what is compared")
    found, missing = peers.load()
    tasks = []
    for task in measure(found, 2.0 if options.quick else 14.0):
        tasks.append(task)
        options.advance(1 / 4, f"{task.title} is done")
    return section(found, missing, tasks)


def section(found: Sequence[Peer], missing: Mapping[str, str], tasks: Sequence[Task]) -> Section:
    """Describe what was measured."""
    return Section(
        name="peers",
        title="Beside other libraries",
        summary=_summary(tasks),
        meaning=(
            "Each library encrypts and decrypts the same values in its fastest way: keys in memory, caches warm, no "
            "call of a key service. All take turns in random order in one run. A ratio is how many times as long as "
            "fieldcrypt somebody takes, the median over the rounds, with its quartiles; over 1, fieldcrypt is faster.",
            "They do not all do the same for it. Where a value is bound to its field, a ciphertext that was moved to "
            "another field does not decrypt; asherah binds to a partition, which is a tenant; where it says nothing, "
            "any value under the same key can stand in the place of any other. Tink's AEAD, Fernet and the "
            "AesGcmEngine of sqlalchemy-utils work with one key that the application has to keep. fieldcrypt and "
            "MongoDB (explicit encryption) name the data key in a value; fieldcrypt's self-contained form, asherah and "
            "Amazon's libraries put the wrapped key into it. For dynamodb-encryption-sdk a value is an item of one "
            "attribute, and 5 fields are an item of five. aws-encryption-sdk is shown without signatures, and with "
            "them, as it is by default.",
        ),
        tables=(*(_table(task, found) for task in tasks), _added_table(tasks, found)),
        charts=(*(_chart(task, verb) for task in (tasks[0], tasks[-1]) for verb in VERBS), _added_chart(tasks[0])),
        figures={
            task.title: {name: {**line.figures(), "bytes_added": task.added[name]} for name, line in task.lines.items()}
            for task in tasks
        },
        missing=missing,
    )


def _summary(tasks: Sequence[Task]) -> str:
    """Return who is ahead; a difference of a few percent is no lead."""
    comparisons = [
        (line.ratio(verb), f"{name} to {verb} {task.title} ({times(line.ratio(verb))})")
        for task, verb in product(tasks, VERBS)
        for name, line in task.lines.items()
        if name not in (OURS, OURS_ALONE)
    ]
    if not comparisons:
        return "No other library was there to compare with."
    level = [said for ratio, said in comparisons if 1 / LEVEL <= ratio <= LEVEL]
    behind = [said for ratio, said in comparisons if ratio < 1 / LEVEL]
    ahead = len(comparisons) - len(level) - len(behind)
    smaller = sorted({name for task in tasks for name, of in task.added.items() if of < task.added[OURS]})
    return (
        f"Faster in {ahead} of {len(comparisons)} comparisons"
        + (f", as fast (within {LEVEL - 1:.0%}) as {', '.join(level)}" if level else "")
        + (f", slower than {', '.join(behind)}" if behind else "")
        + f". Fewer bytes are added by {' and '.join(smaller) or 'nobody'}."
    )


def _table(task: Task, found: Sequence[Peer]) -> Table:
    return Table(
        task.title,
        ("library", "encrypt µs", "x fieldcrypt", "decrypt µs", "x fieldcrypt"),
        tuple((peer.name, *task.lines[peer.name].cells()) for peer in found),
    )


def _added_table(tasks: Sequence[Task], found: Sequence[Peer]) -> Table:
    return Table(
        "Bytes added, and what a value is bound to",
        ("library", "bound to", *(task.title.partition(" of ")[0] for task in tasks)),
        tuple((peer.name, peer.binds, *(f"{task.added[peer.name]:,}" for task in tasks)) for peer in found),
        labels=2,
        note="Wrapped by AWS KMS, the key in a self-contained value is longer than with the local key here.",
    )


def _chart(task: Task, verb: str) -> Chart:
    return _bars(
        f"To {verb} {task.title}",
        {name: line.results[verb].median for name, line in task.lines.items()},
        "microseconds; each line is ten times the one before",
    )


def _added_chart(task: Task) -> Chart:
    return _bars(f"Bytes added to {task.title}", {name: float(of) for name, of in task.added.items()}, "bytes", False)


def _bars(title: str, values: Mapping[str, float], y: str, log: bool = True) -> Chart:
    order = sorted(values, key=lambda name: (name not in (OURS, OURS_ALONE), values[name]))
    ours = tuple((name, values[name]) for name in order if name in (OURS, OURS_ALONE))
    others = tuple((name, values[name]) for name in order if name not in (OURS, OURS_ALONE))
    return Chart(title, "bars", (Series("fieldcrypt", ours), Series("others", others)), y=y, log_y=log)


BENCHMARK = Benchmark("peers", "Beside other libraries", run, seconds=(65, 12))
