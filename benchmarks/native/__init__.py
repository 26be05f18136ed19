"""Both backends side by side: what each was asked to reach, in one table, and whether it does.

The works are those of the other sections. Pure, native and plain take turns in one process, by an Encryptor for each
backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.compare import VERBS
from benchmarks.native.arrow import arrow_row
from benchmarks.native.backends import encryptors, missing
from benchmarks.native.items import item_row
from benchmarks.native.key_material import key_material
from benchmarks.native.row import NATIVE, PURE, Row
from benchmarks.native.spark import spark_row
from benchmarks.native.tables import table_rows
from benchmarks.native.values import beside_cipher, beside_peers, five_at_once
from benchmarks.section import Benchmark, Options, Section, Table

__all__ = ["BENCHMARK", "ratios"]

COLUMNS = ("work", "plain or floor", "pure", "limit", "native", "limit", "holds?")


def run(options: Options) -> Section:
    """Measure all rows."""
    quick = options.quick
    keys = encryptors()
    reason = missing()
    gaps = {} if reason is None else {"native": reason}
    seconds = 0.8 if quick else 10.0
    options.advance(0, "values beside the bare cipher")
    rows = list(beside_cipher(keys, seconds))
    options.advance(0.1, "values beside other libraries")
    beside, absent = beside_peers(keys, seconds)
    rows += beside
    gaps |= absent
    options.advance(0.2, "a table")
    rows += table_rows(keys, *((300, 3) if quick else (5_000, 9)), on_work=lambda what: options.advance(0.05, what))
    rows.append(item_row(keys, seconds))
    options.advance(0.05, "columns")
    rows.append(arrow_row(keys, *((10_000, 3) if quick else (100_000, 15))))
    options.advance(0.05, "Spark")
    spark = "a quick run leaves it out" if quick else spark_row(keys, 400_000)
    if isinstance(spark, Row):
        rows.append(spark)
    else:
        gaps["Spark"] = spark
    options.advance(0.2, "")
    found = "a quick run leaves it out" if quick else key_material(keys)
    if isinstance(found, str):
        gaps["key material"] = found
    return _section(rows, gaps, () if isinstance(found, str) else (found,))


def check() -> dict[str, float]:
    """Measure what is limited: works that need no server and no other library."""
    keys = encryptors()
    rows = [*beside_cipher(keys, 2.5), *table_rows(keys, 1_000, 7, ("sqlite",)), item_row(keys, 3.0)]
    five = five_at_once(keys, 2.0)[NATIVE]
    return ratios(rows) | {f"five fields at once, {verb}, x floor": five.ratio(verb) for verb in VERBS}


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return the native figures that may be limited: those that should be small."""
    return {
        row.work if len(row.names) == 1 else f"{row.work}: {name}": ratio
        for row in rows
        if not row.more_is_better
        for name, ratio in zip(row.names, row.found.get(NATIVE, ()), strict=False)
    }


def _section(rows: Sequence[Row], gaps: Mapping[str, str], more: tuple[Table, ...]) -> Section:
    said = [f"{title} reaches what was asked in {share}" for title, share in _shares(rows) if share]
    return Section(
        name="native",
        title="Both backends, side by side",
        summary=f"{', '.join(said)} rows.",
        meaning=(
            "Every work is done in pure Python, natively, and without protection (or by the bare cipher, or by another "
            "library), in turn, in one process and in random order. A ratio is the median over the rounds. Where "
            "others take a number of times as long as we do, more is better for us; elsewhere less.",
            "A limit is what was asked for, and not what was measured before: a row that misses it says so. What a "
            "ratio is to, and how long that took, is in the second column.",
        ),
        tables=(Table("What was asked, and what is reached", COLUMNS, tuple(row.cells() for row in rows)), *more),
        charts=(),
        figures={"rows": [row.figures() for row in rows]},
        ratios=ratios(rows),
        missing=gaps,
    )


def _shares(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for title, backend in (("Pure Python", PURE), ("the native core", NATIVE)):
        held = [held for row in rows if (held := row.holds(backend)) is not None]
        yield title, f"{sum(held)} of {len(held)}" if held else ""


BENCHMARK = Benchmark(
    "native", "Both backends, side by side", run, seconds=(420, 40), check=check, cannot_be_checked=missing
)
