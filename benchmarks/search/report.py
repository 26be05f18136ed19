"""What the search benchmark found, as tables and charts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.compare import times
from benchmarks.search.asking import Answered
from benchmarks.search.simulation import PARTITIONS, YEARS, Guessed, PlacedBy
from benchmarks.section import Chart, Section, Series, Table

__all__ = ["TITLE", "Findings", "section"]

TITLE = "Search: what each kind of index costs, and what it tells"

_MEANING = (
    "Made-up people, whose first names, surnames and birthdays are those of baseball players, on PostgreSQL over "
    "loopback. Each kind of index has a table of its own with the encrypted value and its tags; beside it is an "
    "unprotected table with B-trees for the same questions. The questions are about people of the table, as often as "
    "their values occur. The time is that to have the decrypted values, and to have compared them where needed.",
    "The attack is frequency matching: the attacker knows how often each value occurs, and matches tags with values in "
    "that order. It knows the statistics of the very table, or those of other people, which are half of the players. "
    "There may be better attacks.",
)


class Findings(NamedTuple):
    """What was measured: see `Answered`, `insert_costs`, `Guessed` and `PlacedBy`."""

    rows: int
    answered: Sequence[Answered]
    decrypted_all: float
    inserted: Mapping[str, Sequence[float]]
    guessed: Sequence[Guessed]
    placed: Sequence[PlacedBy]


def section(found: Findings) -> Section:
    """Return the section of the report."""
    return Section(
        name="search",
        title=TITLE,
        summary=_summary(found),
        meaning=_MEANING,
        tables=(_asked(found), _space(found), _guessed(found), _placed(found)),
        charts=(_latency(found), _bytes(found), _inserts(found), _guess_chart(found), _placed_chart(found)),
        figures={
            "rows": found.rows,
            "decrypted_all": found.decrypted_all,
            "answered": [each._asdict() for each in found.answered],
            "inserted": {name: statistics.median(taken) for name, taken in found.inserted.items()},
            "guessed": [each._asdict() for each in found.guessed],
            "placed": [each._asdict() for each in found.placed],
        },
        complaints=tuple(
            f"{each.kind}: PostgreSQL read the whole table"
            for each in found.answered
            if "Seq Scan" in each.scans and found.rows >= 1_000_000
        ),
    )


def _summary(found: Findings) -> str:
    slowest = max(each.ms for each in found.answered)
    return (
        f"Of {found.rows:,} rows, every kind of question is answered in {slowest:.0f} ms or less at the median; to "
        f"decrypt one column of the whole table takes {found.decrypted_all:.1f} s."
    )


def _asked(found: Findings) -> Table:
    return Table(
        f"Questions about {found.rows:,} rows",
        ("index", "tags", "rows read", "rows right", "ms", "quartiles", "unprotected, ms"),
        tuple(
            (
                *(each.kind, f"{each.tags}", f"{each.read:,.0f}", f"{each.right:,.0f}", _ms(each.ms)),
                *("–".join(map(_ms, each.spread)), _ms(each.plain_ms)),
            )
            for each in found.answered
        ),
        note=f"To read and decrypt one column of all rows takes {found.decrypted_all:.1f} seconds. Ranges are padded "
        "to the most tags that a question can have; the finest level that a million rows have is 16 days wide.",
    )


def _space(found: Findings) -> Table:
    return Table(
        "Space, and what an insert takes",
        ("index", "bytes of tags per row", "bytes of indexes per row", "µs per inserted row", "x equality"),
        tuple(
            (
                *(each.kind, f"{each.stored:.0f}", f"{each.indexed:.0f}"),
                *(f"{statistics.median(found.inserted[each.kind]):.0f}", times(_ratio(found, each.kind)[0])),
            )
            for each in found.answered
        ),
        note="An insert encrypts the value, makes its tags, and sends and stores the row. Rounds insert the same "
        "people by every kind, one after the other. The µs are the median of all rounds; x equality is the median of "
        "what the kind took in a round, divided by what equality took in the same round. It need not be the quotient "
        "of the two µs.",
    )


def _ratio(found: Findings, kind: str) -> tuple[float, tuple[float, float]]:
    """Return how many times as long inserts take as with one equality index, in the same round; and the quartiles."""
    floor = found.inserted[found.answered[0].kind]
    ratios = [mine / theirs for mine, theirs in zip(found.inserted[kind], floor, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return middle, (low, high)


def _guessed(found: Findings) -> Table:
    return Table(
        "Rows that frequency matching guesses right",
        ("index", "values", "tags per value", "knows nothing of partitions", "knows them", "statistics of others"),
        tuple(
            (
                *(each.name, f"{each.terms:,}", str(each.partitions)),
                *map(_percent, (each.naive, each.right, each.of_others)),
            )
            for each in found.guessed
        ),
    )


def _placed(found: Findings) -> Table:
    return Table(
        "Birthdays that are placed by the tags of a range",
        (
            "days, 1800 to 2100",
            "nodes",
            *_within(""),
            *_within("others: "),
            *_within("no tags: "),
        ),
        tuple(
            (
                each.name,
                ", ".join(map(str, each.levels)),
                *map(_percent, (*each.shares, *each.of_others, *each.by_guessing)),
            )
            for each in found.placed
        ),
        labels=2,
        note="The share of rows that are placed within one year, and within five: by somebody who knows the statistics "
        "of the table; of others; and without tags, by one guess for all. The nodes are those of each stored level in "
        "which there is a player.",
    )


def _within(words: str) -> list[str]:
    return [f"{words}{years} year{'s' if years > 1 else ''}" for years in YEARS]


def _latency(found: Findings) -> Chart:
    kinds = [each.kind for each in found.answered]
    return Chart(
        f"The time to answer a question about {found.rows:,} rows",
        "bars",
        (
            Series(
                "fieldcrypt",
                tuple((each.kind, each.ms) for each in found.answered),
                tuple(each.spread for each in found.answered),
            ),
            Series("unprotected, B-tree", tuple((each.kind, each.plain_ms) for each in found.answered)),
            Series("no index: all is decrypted", tuple((kind, found.decrypted_all * 1e3) for kind in kinds)),
        ),
        y="milliseconds, median",
        log_y=True,
    )


def _bytes(found: Findings) -> Chart:
    return Chart(
        "Bytes that an index takes per row",
        "bars",
        (
            Series("indexes", tuple((each.kind, each.indexed) for each in found.answered)),
            Series("tags in the table", tuple((each.kind, each.stored) for each in found.answered)),
        ),
        y="bytes per row",
    )


def _inserts(found: Findings) -> Chart:
    ratios = [(each.kind, *_ratio(found, each.kind)) for each in found.answered]
    return Chart(
        "An insert, beside one with an equality index",
        "bars",
        (Series("insert", tuple((kind, ratio) for kind, ratio, _ in ratios), tuple(spread for *_, spread in ratios)),),
        y="x equality",
        limit=1.0,
    )


def _guess_chart(found: Findings) -> Chart:
    return Chart(
        "Rows that an attacker guesses right who knows how often each value occurs",
        "bars",
        tuple(
            Series(
                "1 tag per value" if partitions == 1 else f"{partitions} partitions",
                tuple((each.name, each.right * 100) for each in found.guessed if each.partitions == partitions),
            )
            for partitions in PARTITIONS
        ),
        y="percent of the rows",
    )


def _placed_chart(found: Findings) -> Chart:
    def series(name: str, shares: Sequence[tuple[float, ...]]) -> Series:
        points = zip(found.placed, shares, strict=True)
        return Series(name, tuple((each.name, share[-1] * 100) for each, share in points))

    return Chart(
        f"Birthdays that are placed within {YEARS[-1]} years by the tags of a range",
        "bars",
        (
            series("statistics of the table", [each.shares for each in found.placed]),
            series("no tags: one guess for all", [each.by_guessing for each in found.placed]),
            series("statistics of others", [each.of_others for each in found.placed]),
        ),
        y="percent of the rows",
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:,.0f}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
