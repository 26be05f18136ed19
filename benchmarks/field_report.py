"""The tables and charts of the benchmark of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.compare import VERBS, Line
from benchmarks.section import Chart, Series, Table

__all__ = ["FORMS", "SIZES", "charts", "tables"]

SIZES = {16: "16 B", 64: "64 B", 1024: "1 KiB", 65_536: "64 KiB", 1_048_576: "1 MiB"}
FORMS = ("stored", "self-contained")

_FIGURES = ("encrypt µs", "x floor", "decrypt µs", "x floor")

Sizes = Mapping[int, Mapping[str, Line]]
Lines = Mapping[str, Line]


def tables(
    sizes: Sizes,
    added: Mapping[int, Mapping[str, int]],
    types: Lines,
    bindings: Lines,
    records: Lines,
    keys: Lines,
    startup: float,
) -> tuple[Table, ...]:
    """Everything that was measured."""
    prepared = tuple(column.replace("floor", "prepared") for column in _FIGURES)
    return (
        *(
            Table(
                f"A text, by size, {form}",
                ("size", *_FIGURES, "bytes added"),
                tuple((SIZES[size], *of[form].cells(), str(added[size][form])) for size, of in sizes.items()),
            )
            for form in FORMS
        ),
        Table("By type, stored", ("type", *_FIGURES), _rows(types), note="The floor is that of a text of 20 bytes."),
        Table(
            "By what a value is bound to",
            ("bound to", *_FIGURES),
            _rows(bindings),
            note=(
                "A text of 64 bytes, stored. A row is named for every value, but for a row at hand: integrations "
                "name it once for all attributes of a record. A context of yours is a dict that is looked at and "
                "encoded every time."
            ),
        ),
        Table(
            "Five fields of a record",
            ("encrypted", *_FIGURES),
            _rows(records),
            note="Texts of 20 bytes, stored, bound to field, tenant and row.",
        ),
        Table(
            "By where its data key is",
            ("data key", *prepared),
            _rows(keys, but=None),
            note=(
                "Prepared is the rule. Live: the key was in use, but not in this field, or a value has another salt. "
                "Wrapped: it is read from the key store and unwrapped, here by a local key; a key service takes as "
                "long as its answer takes."
            ),
        ),
        Table("Start", ("", "ms"), (("import fieldcrypt, beyond the import of cryptography", f"{startup:.0f}"),)),
    )


def _rows(lines: Lines, but: str | None = "floor") -> tuple[tuple[str, ...], ...]:
    return tuple((name, *line.cells()) for name, line in lines.items() if name != but)


def charts(sizes: Sizes, types: Lines, bindings: Lines) -> tuple[Chart, ...]:
    """What the tables say, at a glance."""
    by_size = tuple(
        Series(
            f"{verb}, {form}",
            tuple((SIZES[size], lines[form].ratio(verb)) for size, lines in sizes.items()),
            tuple(lines[form].spread(verb) for lines in sizes.values()),
        )
        for form in FORMS[:1]
        for verb in VERBS
    )
    return (
        Chart("A text beside the bare cipher, by size", "bars", by_size, x="size", y="times as long as the floor"),
        _bars("A value beside the bare cipher, by type", types, "type"),
        _bars("A text of 64 bytes, by what it is bound to", bindings, "bound to"),
    )


def _bars(title: str, lines: Lines, x: str) -> Chart:
    shown: Sequence[Line] = [line for name, line in lines.items() if name != "floor"]
    series = tuple(
        Series(verb, tuple((line.name, line.ratio(verb)) for line in shown), tuple(line.spread(verb) for line in shown))
        for verb in VERBS
    )
    return Chart(title, "bars", series, x=x, y="times as long as the floor")
