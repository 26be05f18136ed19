"""What fieldcrypt costs, and how it compares, on the machine at hand.

    python -m benchmarks [NAME...] [--quick] [--json FILE] [--html FILE] [--markdown FILE]
    python -m benchmarks --check [NAME...]

With --check, ratios are compared with benchmarks/limits.toml; exit code 1 if one is exceeded. Limits are those of pure
Python, but for the ones of "native", which are checked if the native core is there.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import limits, registry
from benchmarks.environment import environment
from benchmarks.report import Report
from benchmarks.section import Benchmark, Options, Section


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for, and return the exit code."""
    asked = _parse(arguments)
    console = Console()
    return _check(asked.names, console) if asked.check else _measure(asked, console)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"only these benchmarks, of {', '.join(registry.MODULES)}"
    )
    parser.add_argument("--quick", action="store_true", help="a look that takes seconds, and is less exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts to a file")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write a page for a repository, its charts in a folder beside it"
    )
    parser.add_argument("--check", action="store_true", help="compare with the limits; exit code 1 if one is exceeded")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in registry.MODULES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}, but {', '.join(registry.MODULES)}")
    if asked.check and (asked.quick or asked.json or asked.html or asked.markdown):
        parser.error("--check measures in its own way and writes no files")
    for path in (asked.json, asked.html, asked.markdown):
        if path is not None and not path.absolute().parent.is_dir():
            parser.error(f"there is no folder {path.absolute().parent}")
    return asked


def _measure(asked: argparse.Namespace, console: Console) -> int:
    found, missing = registry.load(asked.names or registry.MODULES)
    report = Report(
        sections=_run(found, asked.quick, console),
        missing=missing,
        environment=environment(),
        command=shlex.join(["python", "-m", "benchmarks", *_options(asked)]),
        date=datetime.now().astimezone().strftime("%-d %B %Y, %H:%M %Z"),
        quick=asked.quick,
    )
    report.show(console)
    for path, content in _files(asked, report):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        console.print(f"written: {escape(str(path))}")
    return 1 if any(section.complaints for section in report.sections) or not report.sections else 0


def _files(asked: argparse.Namespace, report: Report) -> Iterator[tuple[Path, str]]:
    if asked.json is not None:
        yield asked.json, report.json()
    if asked.html is not None:
        yield asked.html, report.html()
    if asked.markdown is not None:
        yield asked.markdown, report.markdown(asked.markdown.stem)
        for name, content in report.pictures():
            yield asked.markdown.with_suffix("") / name, content


def _options(asked: argparse.Namespace) -> list[str]:
    return [*asked.names, *(["--quick"] if asked.quick else [])]


def _run(benchmarks: Sequence[Benchmark], quick: bool, console: Console) -> tuple[Section, ...]:
    sections = []
    columns = (
        TextColumn("{task.fields[name]}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        total = sum(benchmark.seconds[quick] for benchmark in benchmarks)
        task = progress.add_task("", total=total, name="")
        done = 0.0
        for benchmark in benchmarks:
            seconds = benchmark.seconds[quick]
            progress.update(task, completed=done, name=benchmark.name, description="")
            if not console.is_terminal:
                console.print(f"measuring {benchmark.name}, about {seconds:.0f} seconds")

            def advance(fraction: float, what: str, seconds: float = seconds) -> None:
                progress.update(task, advance=fraction * seconds, description=escape(what))

            sections.append(benchmark.run(Options(quick, advance)))
            done += seconds
    return tuple(sections)


def _check(names: Sequence[str], console: Console) -> int:
    limited = {name: of for name, of in limits.read().items() if not names or name in names}
    found, missing = registry.load(limited)
    verdicts: list[limits.Verdict] = []
    for benchmark in found:
        reason = benchmark.cannot_be_checked()
        if reason is not None:
            console.print(f"[yellow]not checked:[/] {escape(benchmark.name)}: {escape(reason)}")
            continue
        with console.status(f"measuring {benchmark.name}"):
            verdicts += limits.judge(benchmark.name, limited[benchmark.name], benchmark.ratios)
    table = Table(box=None, padding=(0, 1), title="x floor, or plain", title_justify="left")
    for column in ("benchmark", "ratio of"):
        table.add_column(column)
    for column in ("measured", "limit"):
        table.add_column(column, justify="right")
    table.add_column("")
    for verdict in verdicts:
        measured = f"{min(verdict.ratios):.2f}" + (f" (best of {len(verdict.ratios)})" if verdict.ratios[1:] else "")
        said = "[green]holds" if verdict.holds else "[red]exceeded"
        table.add_row(verdict.benchmark, escape(verdict.name), measured, f"{verdict.limit:.2f}", said)
    console.print(table)
    for name, reason in missing.items():
        console.print(f"[red]not measured:[/] {escape(name)}: {escape(reason)}")
    return 0 if not missing and all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    if "--check" in sys.argv:  # the backend is chosen once per process
        os.environ.setdefault("FIELDCRYPT_BACKEND", "python")
    sys.exit(main())
