"""What protected attributes cost in DynamoDB, by PynamoDB and by boto3, and beside Amazon's SDK for Python.

    python -m benchmarks.dynamodb_bench [--seconds N] [--items N] [--check] [--json FILE]

An item has ten attributes, five of which are protected: four texts and a number. No request is sent: what is timed is
the work of the client. The contestants take turns, and a ratio is taken within a round. Then so many items are written
by one process and read by another one that has just started, on a key provider that counts. With --check, exit code 1
if something is not as promised.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import measure
from benchmarks.dynamodb_workload import (
    AS_ONE,
    PROTECTED,
    Work,
    as_one,
    boto3_tables,
    boto3_work,
    items,
    pynamodb_models,
    pynamodb_work,
    sdk_sizes,
    to_wire,
)
from fieldcrypt import Encryptor, MemoryKeyStore
from fieldcrypt_dynamodb import size_of
from fieldcrypt_dynamodb.forms import PYTHON
from fieldcrypt_dynamodb.items import Items
from tests.doubles import CountingProvider

LIMITS = {  # of the ratio to the plain work, for writing and reading an item
    ("PynamoDB", "decorated"): 2.0,
    ("boto3", "protected"): 2.0,
}
BOTH, PEER, LIMITED = "write and read", "dynamodb-encryption-sdk", "protected"
FASTER, SMALLER, MAX_KEY_CALLS = 5.0, 3.0, 9


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report.

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

    @property
    def limit(self) -> float | None:
        """What was promised of the ratio."""
        return LIMITS.get((self.library, self.contestant)) if self.work == BOTH else None


@dataclass(frozen=True, slots=True)
class Size:
    """How many bytes protecting attributes adds to an item, as DynamoDB counts them.

    Attributes:
        attributes: how many are protected.
        fieldcrypt: added if each is encrypted by itself.
        as_one: added if they are kept in one map, which is encrypted.
        sdk: added by Amazon's SDK, which has one header and one signature an item.
    """

    attributes: int
    fieldcrypt: int
    as_one: int
    sdk: int


def compare(library: str, contestants: Mapping[str, Work], seconds: float, done: Callable[[], None]) -> Iterator[Line]:
    """Measure contestants against one another."""
    for what in contestants["plain"]:
        results = measure.run({name: of[what] for name, of in contestants.items()}, seconds)
        floor = results["plain"]
        for name, result in results.items():
            yield Line(library, what, name, result.median, result.ratio(floor), result.spread(floor))
        done()


def sizes() -> Iterator[Size]:
    """Compare sizes for one protected attribute, and for all of them."""
    (plain,) = items(1)
    tables = boto3_tables(Encryptor(CountingProvider(), MemoryKeyStore()))
    encrypted = Items(tables["protected"], PYTHON).encrypted(plain)
    floor = size_of(to_wire(plain))
    for count in (1, len(PROTECTED)):
        chosen = PROTECTED[:count]
        mine = plain | {name: encrypted[name] for name in chosen}
        one = Items(tables[AS_ONE], PYTHON).encrypted(as_one(plain, chosen))
        yield Size(count, *(size_of(item) - floor for item in (to_wire(mine), to_wire(one), sdk_sizes(chosen))))


def key_calls(count: int) -> tuple[int, int]:
    """Write items, read them as a process that has just started does, and count what wraps and unwraps a key."""
    provider, store = CountingProvider(), MemoryKeyStore()
    writer = Items(boto3_tables(Encryptor(provider, store))["protected"], PYTHON)
    encrypted = [writer.encrypted(item) for item in items(count)]
    reader = Items(boto3_tables(Encryptor(provider, store))["protected"], PYTHON)  # shares no live key
    for item, found in zip(items(count), map(reader.decrypted, encrypted), strict=True):
        if item != found:
            raise AssertionError("an item did not come back")
    return provider.wraps, provider.unwraps


def complaints(lines: Sequence[Line], found: Sequence[Size], calls: tuple[int, int]) -> Iterator[str]:
    """Say what is not as promised; nothing, if all is well."""
    for line in lines:
        if line.limit is not None and line.ratio > line.limit:
            yield f"{line.library}, {line.contestant}: {line.ratio:.2f} times plain, over {line.limit}"
    us = {line.contestant: line.us for line in lines if (line.library, line.work) == ("boto3", BOTH)}
    if us[PEER] < FASTER * us[LIMITED]:
        yield f"{us[PEER] / us[LIMITED]:.1f} times as fast as {PEER}, and not {FASTER:.0f} times"
    for size in found:
        if size.sdk < SMALLER * size.fieldcrypt:
            yield (
                f"{PEER} adds {size.sdk / size.fieldcrypt:.1f} times as many bytes with {size.attributes} protected "
                f"attributes, and not {SMALLER:.0f} times"
            )
    if sum(calls) > MAX_KEY_CALLS:
        yield f"the key provider was called {sum(calls)} times"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dynamodb_bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="for each of six measures (10)")
    parser.add_argument("--items", type=int, default=100_000, metavar="N", help="to count calls with (100,000)")
    parser.add_argument("--check", action="store_true", help="exit code 1 if something is not as promised")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()

    console = Console()
    libraries = {
        "PynamoDB": {name: pynamodb_work(model) for name, model in pynamodb_models().items()},
        "boto3": boto3_work(),
    }
    lines: list[Line] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=6)
        for library, contestants in libraries.items():
            lines += compare(library, contestants, arguments.seconds, lambda: progress.advance(task))
    found, calls = list(sizes()), key_calls(arguments.items)
    for library in libraries:
        console.print(_table(library, [line for line in lines if line.library == library]))
    for size in found:
        console.print(
            f"{size.attributes} protected: fieldcrypt adds {size.fieldcrypt} bytes, "
            f"{size.as_one} as one map, {PEER} {size.sdk}"
        )
    console.print(f"{arguments.items:,} items: {calls[0]} calls to wrap a key, {calls[1]} to unwrap one")
    for name, value in measure.environment().items():
        console.print(f"[dim]{name}: {value}[/]")
    said = list(complaints(lines, found, calls))
    for complaint in said:
        console.print(f"[red]not as promised:[/] {complaint}")
    if arguments.json:
        figures: dict[str, Any] = {"lines": [asdict(line) for line in lines], "sizes": [asdict(size) for size in found]}
        measure.write_json(arguments.json, {**figures, "wraps": calls[0], "unwraps": calls[1]})
    return 1 if arguments.check and said else 0


def _table(library: str, lines: Sequence[Line]) -> Table:
    table = Table(title=library, title_justify="left", box=None, padding=(0, 1, 0, 0))  # fits into 80 columns
    for column in ("", "contestant"):
        table.add_column(column)
    for column in ("us/item", "x plain", "quartiles", "limit"):
        table.add_column(column, justify="right")
    for line in lines:
        if line.contestant == "plain":
            table.add_row(line.work, line.contestant, f"{line.us:,.1f}")
            continue
        low, high = line.quartiles
        limit = "" if line.limit is None else str(line.limit)
        table.add_row("", line.contestant, f"{line.us:,.1f}", f"{line.ratio:.2f}", f"{low:.2f}-{high:.2f}", limit)
    return table


if __name__ == "__main__":
    sys.exit(main())
