"""How `fieldcrypt search plan` prints what indexes tell, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

from fieldcrypt.cli.output import print_json, print_table, say
from fieldcrypt.format._text import counted
from fieldcrypt.leakage.report import TOLD, ColumnLeak, IndexCost, Leakage

__all__ = ["print_leakage"]


def print_leakage(leakages: Mapping[str, tuple[Leakage, int]], as_json: bool) -> None:
    """Print what is found of each table, and what to do about it."""
    if as_json:
        print_json({name: _as_json(leakage, unread) for name, (leakage, unread) in leakages.items()})
        return
    for name, (leakage, unread) in leakages.items():
        say(f"{name}: {counted(leakage.rows, 'row')} of about {leakage.total:,}")
        tells = ("index", "tags", "most rows per tag", "bits", "guessed by frequency", "with the other indexes")
        print_table(tells, [_told(column) for column in leakage.columns])
        costs = ("index", "tags per search", "rows right", "false positives", "bytes per row", "time to tag all")
        print_table(costs, [_cost(cost, leakage) for cost in leakage.costs])
        for line in _remarks(leakage, unread):
            say(line)
    say("These are known attacks by somebody who knows how often each value occurs. There may be better ones.")


def _told(column: ColumnLeak) -> tuple[str, ...]:
    largest = ", ".join(f"{count:,}" for count in column.largest)
    return (
        column.name,
        f"{column.tags:,}",
        largest,
        f"{column.entropy:.1f}",
        _percent(column.right),
        _percent(column.together),
    )


def _cost(cost: IndexCost, leakage: Leakage) -> tuple[str, ...]:
    seconds = cost.microseconds * leakage.total / 1e6
    figures = (cost.tags, cost.matching, cost.false, cost.bytes)
    return (
        cost.companion,
        *map(_short, figures),
        str(timedelta(seconds=round(seconds))) if seconds >= 60 else f"{seconds:.1f} s",
    )


def _remarks(leakage: Leakage, unread: int) -> Iterator[str]:
    yield (
        f"All tags of a row together: {leakage.entropy:.1f} of at most {math.log2(max(1, leakage.rows)):.1f} bits; "
        f"{_percent(leakage.alone)} of the rows are alone in their combination."
    )
    for place in leakage.placed:
        yield (
            f"{place.companion}: {_percent(place.share)} of the rows are placed within {place.distance}; "
            f"{_percent(place.by_guessing)} without tags."
        )
    for column in leakage.columns:
        if column.is_refused:
            yield (
                f"REFUSED {column.name}: {counted(column.terms, 'value')}, whose frequencies tell which is which. "
                "Search by something else, or if that is acceptable declare accept_low_cardinality=True."
            )
    told = [f"{column.name} {_percent(column.together)}" for column in leakage.columns if column.together >= TOLD]
    if told:
        yield (
            f"WARNING at least this share of the rows is guessed right: {', '.join(told)}. Partitions, shorter tags, "
            "coarser parts and fewer indexes tell less."
        )
    for cost in leakage.costs:
        if cost.refused:
            yield f"WARNING {cost.companion}: {counted(cost.refused, 'value')} beyond its bounds, so not tagged."
    if unread:
        yield f"WARNING what cannot be read in {counted(unread, 'row')} is left out: see `fieldcrypt migrate verify`"


def _as_json(leakage: Leakage, unread: int) -> Mapping[str, object]:
    return {
        "rows": leakage.rows,
        "total": leakage.total,
        "unread": unread,
        "refused": leakage.is_refused,
        "entropy": leakage.entropy,
        "alone": leakage.alone,
        "tells": [column._asdict() for column in leakage.columns],
        "costs": [cost._asdict() for cost in leakage.costs],
        "placed": [place._asdict() for place in leakage.placed],
    }


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.9995 else "100%"


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == int(figure) else f"{figure:,.2g}"
