"""What a benchmark finds: tables, charts and words. The terminal, the page and the JSON file are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Benchmark", "Chart", "Options", "Section", "Series", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is shown; numbers are texts already, as exact as they deserve.

    Attributes:
        title: what the table shows.
        columns: their names. The first ones say what a row is about, the others have its figures.
        rows: a text for each column.
        labels: how many of the columns are no figures, and so are aligned to the left.
        note: what a reader has to know, below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the bars of one colour.

    Attributes:
        name: for the legend.
        points: (x, y); x is a text for bars, a number for lines.
        spread: the quartiles of each y, or nothing.
    """

    name: str
    points: tuple[tuple[Any, float], ...]
    spread: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of some figures of a section.

    Attributes:
        title: what it shows, as a sentence.
        kind: horizontal bars (one group for each x), or lines.
        series: what is drawn, ours first: the first colour is fieldcrypt's in every chart.
        x, y: what the axes mean, with units. Of bars, `y` is what their length means.
        log_x, log_y: logarithmic axes.
        limit: a line that should not be passed, or None.
    """

    title: str
    kind: Literal["bars", "lines"]
    series: tuple[Series, ...]
    x: str = ""
    y: str = ""
    log_x: bool = False
    log_y: bool = False
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark found.

    Attributes:
        name: of the benchmark.
        title: a heading.
        meaning: what was done, and what its figures mean to a user; paragraphs, plain text.
        tables, charts: in their order.
        figures: everything that was measured, for JSON.
        ratios: name -> ratio, of those that `benchmarks/limits.toml` may limit.
        complaints: what is not as promised; nothing, if all is well.
        missing: what could not be measured -> the reason, of peers that do not install for example.
        summary: what was found, in a sentence or two, for the top of the page.
    """

    name: str
    title: str
    meaning: tuple[str, ...]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]
    figures: Mapping[str, Any]
    ratios: Mapping[str, float] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How a benchmark is to be run.

    Attributes:
        quick: True for a look that takes seconds, and is less exact.
        advance: to be called as the benchmark goes on, with how much of it that was (all of them sum up to 1) and what
            comes next.
    """

    quick: bool
    advance: Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of the benchmarks that `python -m benchmarks` runs.

    Attributes:
        name: to ask for it by.
        title: what it shows, in a line.
        run: measures.
        seconds: about how long a full run takes, and a quick one, for the progress bar.
        check: measures only what `benchmarks/limits.toml` limits, in a short time, and returns the ratios. None takes
            them from a quick run.
        cannot_be_checked: returns why its limits are none here, or None if they are.
    """

    name: str
    title: str
    run: Callable[[Options], Section]
    seconds: tuple[float, float]
    check: Callable[[], Mapping[str, float]] | None = None
    cannot_be_checked: Callable[[], str | None] = lambda: None

    def ratios(self) -> Mapping[str, float]:
        """Measure what may be limited, in a short time."""
        return self.check() if self.check is not None else self.run(Options(True, lambda _, __: None)).ratios
