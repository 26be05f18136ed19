"""What protected attributes cost in DynamoDB, by PynamoDB and by boto3, and beside Amazon's SDK for Python.

An item has ten attributes, five of which are protected: four texts and a number. No request is sent: what is timed is
the work of the client. Then so many items are written by one process and read by another one that has just started, on
a key provider that counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from benchmarks import measure
from benchmarks.compare import microseconds, times
from benchmarks.dynamodb_boto3 import AS_ONE, PATHS, conversions, tables, to_wire, whole_calls
from benchmarks.dynamodb_workload import PROTECTED, Work, as_one, items, pynamodb_models, pynamodb_work
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table
from fieldcrypt import Encryptor, MemoryKeyStore
from fieldcrypt_dynamodb import size_of
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items
from tests.support.doubles import CountingProvider

__all__ = ["BENCHMARK"]

PLAIN, BOTH, PEER, MINE = "plain", "write and read", "dynamodb-encryption-sdk", "protected"
MAX_KEY_CALLS = 9
CALLS = "boto3, whole calls"
LIBRARIES = ("PynamoDB", "boto3", CALLS)


@dataclass(frozen=True, slots=True)
class Line:
    """What one contestant took for one work.

    Attributes:
        library: through which items are written and read.
        work: what was timed.
        contestant: who did it.
        us: median time an item, in microseconds.
        ratio: to the plain work, the median over the rounds; 1 for that one.
        quartiles: of the ratio.
    """

    library: str
    work: str
    contestant: str
    us: float
    ratio: float
    quartiles: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """How many bytes protecting attributes adds to an item, as DynamoDB counts them.

    Attributes:
        attributes: how many are protected.
        fieldcrypt: added if each is encrypted by itself.
        paths: added if they are kept in a map, and each is encrypted in it, by its path.
        as_one: added if they are kept in one map, which is encrypted.
        sdk: added by Amazon's SDK, which has one header and one signature an item; None if it is not installed.
    """

    attributes: int
    fieldcrypt: int
    paths: int
    as_one: int
    sdk: int | None


def run(options: Options) -> Section:
    """Measure both libraries, and whole calls of boto3's."""
    seconds, count = (0.8, 1_000) if options.quick else (9.0, 100_000)
    sdk, missing = _sdk()
    lines: list[Line] = []
    for library in LIBRARIES:
        contestants = _contestants(library, sdk)
        for what in contestants[PLAIN]:
            lines += compared(library, contestants, what, seconds)
            options.advance(0.8 / 9, f"{library}: {what}")
    found = list(sizes(sdk))
    options.advance(0, f"{count:,} items")
    calls = key_calls(count)
    options.advance(0.2, "")
    ratios = _ratios(lines)
    us = {(line.library, line.contestant): line.us for line in lines if line.work == BOTH}
    beside = f"; {PEER} takes {us['boto3', PEER] / us['boto3', MINE]:.0f} times as long as that" if sdk else ""
    return Section(
        name="dynamodb",
        title="DynamoDB: an item with five protected attributes of ten",
        summary=(
            f"Writing and reading an item takes PynamoDB {times(ratios['PynamoDB, decorated'])} times as long, and "
            f"boto3's conversions {times(ratios['boto3, protected'])} times as long, as without protection{beside}. "
            f"Calls of its Table, but for the network, take {times(ratios[f'{CALLS}, protected'])} times as long."
        ),
        meaning=(
            "Four texts and a number are protected. PynamoDB serializes the item and makes one of what DynamoDB "
            "returns; for boto3 the floor is what a Table's TypeSerializer and TypeDeserializer take, and beside it is "
            "all that the wrapper does before it sends and after it was answered. No request is sent, beside which all "
            "of this is little: a put_item takes some hundred microseconds of the processor and a millisecond or more "
            "in all.",
            "boto3 does little for an item, so the same encryption weighs more there: encrypting and decrypting five "
            "values takes as long as all of its conversions. The wrapper converts the others in less time, and the "
            "ciphertexts not at all, so that an item of which nothing is protected takes less time through it. A seal "
            "has to go through all that it covers, and paths into maps take time as well.",
        ),
        tables=(*(_table(library, lines) for library in LIBRARIES), _size_table(found), _call_table(count, calls)),
        charts=(*(_chart(library, lines) for library in LIBRARIES), _size_chart(found)),
        figures={
            "lines": [asdict(line) for line in lines],
            "sizes": [asdict(size) for size in found],
            "key_calls": {"items": count, "wraps": calls[0], "unwraps": calls[1]},
        },
        ratios=ratios,
        complaints=tuple(complaints(calls)),
        missing=missing,
    )


def check() -> dict[str, float]:
    """Measure what writing and reading takes."""
    found = [line for library in LIBRARIES for line in compared(library, _contestants(library, None), BOTH, 4.0)]
    return _ratios(found)


def _sdk() -> tuple[Any, dict[str, str]]:
    try:
        return import_module("benchmarks.dynamodb_peer"), {}
    except ImportError as error:
        return None, {PEER: str(error)}


def _contestants(library: str, sdk: Any) -> dict[str, Work]:
    if library == "PynamoDB":
        return {name: pynamodb_work(model) for name, model in pynamodb_models().items()}
    if library == CALLS:
        return whole_calls()
    return conversions() | ({} if sdk is None else {PEER: sdk.work()})


def compared(library: str, contestants: Mapping[str, Work], what: str, seconds: float) -> Iterator[Line]:
    """Measure contestants against one another, at one work."""
    results = measure.run({name: of[what] for name, of in contestants.items()}, seconds)
    floor = results[PLAIN]
    for name, result in results.items():
        yield Line(library, what, name, result.median, result.ratio(floor), result.spread(floor))


def _ratios(lines: Sequence[Line]) -> dict[str, float]:
    return {
        f"{line.library}, {line.contestant}": line.ratio
        for line in lines
        if line.work == BOTH and line.contestant not in (PLAIN, PEER)
    }


def sizes(sdk: Any) -> Iterator[Size]:
    """Compare sizes for one protected attribute, and for all of them."""
    (plain,) = items(1)
    of_kind = tables(Encryptor(CountingProvider(), MemoryKeyStore()))
    encrypted = Items(of_kind[MINE], PYTHON).encrypted(plain)
    floor = size_of(to_wire(plain))
    for count in (1, len(PROTECTED)):
        chosen = PROTECTED[:count]
        mine = to_wire(plain) | {name: encrypted[name] for name in chosen}
        one, inside = (Items(of_kind[kind], PYTHON).encrypted(as_one(plain, chosen)) for kind in (AS_ONE, PATHS))
        unprotected = size_of(to_wire(as_one(plain, chosen)))
        theirs = None if sdk is None else size_of(sdk.encrypted(plain, chosen)) - floor
        yield Size(count, size_of(mine) - floor, size_of(inside) - unprotected, size_of(one) - floor, theirs)


def key_calls(count: int) -> tuple[int, int]:
    """Write items, read them as a process that has just started does, and count what wraps and unwraps a key."""
    provider, store = CountingProvider(), MemoryKeyStore()
    writer = Items(tables(Encryptor(provider, store))[MINE], PYTHON)
    encrypted = [writer.encrypted(item) for item in items(count)]
    reader = Items(tables(Encryptor(provider, store))[MINE], PYTHON)  # shares no live key
    for item, found in zip(items(count), map(reader.decrypted, encrypted), strict=True):
        if item != found:
            raise AssertionError("an item did not come back")
    return provider.wraps, provider.unwraps


def complaints(calls: tuple[int, int]) -> Iterator[str]:
    """Return what is not as promised, or nothing if all is well."""
    if sum(calls) > MAX_KEY_CALLS:
        yield f"the key provider was called {sum(calls)} times"


def _table(library: str, lines: Sequence[Line]) -> Table:
    rows = tuple(
        (line.work, line.contestant, microseconds(line.us), times(line.ratio), "–".join(map(times, line.quartiles)))
        for line in lines
        if line.library == library
    )
    return Table(library, ("work", "attributes", "µs an item", "x plain", "quartiles"), rows, labels=2)


def _size_table(found: Sequence[Size]) -> Table:
    rows = tuple(
        (
            *map(str, (size.attributes, size.fieldcrypt, size.paths, size.as_one)),
            "" if size.sdk is None else str(size.sdk),
        )
        for size in found
    )
    return Table(
        "Bytes that protection adds to an item",
        ("protected", "each by itself", "each in a map", "as one map", PEER),
        rows,
        note=(
            "Every value carries its own key id, nonce and tag, so that attributes can be projected, updated and "
            "moved one by one; in a map of the item (`details.ssn`) it has the same, beside the same map unprotected. "
            "Where bytes count for more, one map of all that is protected is one value."
        ),
    )


def _call_table(count: int, calls: tuple[int, int]) -> Table:
    return Table(
        "Calls of the key provider, to write items and to read them as a process that has just started",
        ("items", "to wrap a key", "to unwrap one"),
        ((f"{count:,}", *map(str, calls)),),
    )


def _chart(library: str, lines: Sequence[Line]) -> Chart:
    shown = [line for line in lines if line.library == library and line.contestant != PLAIN]
    series = tuple(
        Series(
            work,
            tuple((line.contestant, line.ratio) for line in shown if line.work == work),
            tuple(line.quartiles for line in shown if line.work == work),
        )
        for work in ("write", "read")
    )
    over = any(line.contestant == PEER for line in shown)
    return Chart(f"{library}: beside the same item unprotected", "bars", series, y="x plain", limit=1.0, log_y=over)


def _size_chart(found: Sequence[Size]) -> Chart:
    series = [
        Series("each by itself", tuple((f"{size.attributes} protected", size.fieldcrypt) for size in found)),
        Series("each in a map", tuple((f"{size.attributes} protected", size.paths) for size in found)),
        Series("as one map", tuple((f"{size.attributes} protected", size.as_one) for size in found)),
    ]
    theirs = tuple((f"{size.attributes} protected", float(size.sdk)) for size in found if size.sdk is not None)
    return Chart("Bytes added to an item", "bars", (*series, *([Series(PEER, theirs)] if theirs else [])), y="bytes")


BENCHMARK = Benchmark(
    "dynamodb", "DynamoDB: an item with five protected attributes of ten", run, seconds=(75, 9), check=check
)
