"""How `fieldcrypt migrate` prints plans and reports, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from fieldcrypt.cli.output import print_json, print_table, printable, say, utc
from fieldcrypt.format._text import counted
from fieldcrypt.migration import MigrationPlan, MigrationStatus, StepReport, StepStatus, ValueStatus, VerifyReport
from fieldcrypt.migration.reports import Key, format_key, skipped

__all__ = ["print_plan", "print_report", "print_status", "print_verified"]

_NAMED = 10  # keys with the same reason that get a line each; of more, only the first are named
_FIRST = 5


def print_plan(planned: MigrationPlan, as_json: bool) -> None:
    """Print the plan, and on stderr what has to be done or known first."""
    if as_json:
        print_json(_plan_as_json(planned))
        return
    kinds = [status for status in ValueStatus if any(counts[status] for counts in planned.fields.values())]
    titles = ("column", *(status.value for status in kinds), "stale tags")
    rows = [
        (name, *(f"{counts[status]:,}" for status in kinds), f"{planned.stale_tags.get(name, 0):,}")
        for name, counts in planned.fields.items()
    ]
    if rows:
        print_table(titles, rows)
    some = "" if planned.rows == planned.total else f", of {planned.total:,}"
    if planned.needed and not planned.total:
        say("no row was examined, because something is needed first")
    else:
        say(f"{counted(planned.rows, 'row')} examined{some}: a backfill has {counted(planned.due, 'value')} to write")
    if planned.left:
        say(
            f"no step would reach {counted(planned.left, 'more row')} of the table: is the key sorted as it is "
            "compared?"
        )
    marked = sum(counts[ValueStatus.MARKED] for counts in planned.fields.values())
    if marked:
        say(
            f"{counted(marked, 'value')} with fc1. at the beginning cannot be read as encrypted; `backfill` names the "
            "rows. Check each: if it is your old plaintext, and was not planted, `fieldcrypt migrate mend "
            "--as-plaintext KEY` encrypts it"
        )
    if planned.stale_seals:
        say(f"{counted(planned.stale_seals, 'item')} to be sealed")
    for each in skipped(planned.passed_over):
        say(each)
    for remark in planned.remarks:
        _print_note(f"remark: {remark}")
    for needed in planned.needed:
        _print_note(f"needed first: {needed}")


def _plan_as_json(planned: MigrationPlan) -> dict[str, Any]:
    return {
        "rows": planned.rows,
        "total": planned.total,
        "due": planned.due,
        "left": planned.left,
        "columns": {name: {status.value: n for status, n in counts.items()} for name, counts in planned.fields.items()},
        "stale_tags": dict(planned.stale_tags),
        "stale_seals": planned.stale_seals,
        "needed": list(planned.needed),
        "passed_over": dict(planned.passed_over),
        "remarks": list(planned.remarks),
    }


def print_report(report: StepReport, as_json: bool, step: str) -> None:
    """Print what a step did, and on stderr what it could not do."""
    reasons = {key: str(error) for key, error in report.failures.items()}
    if as_json:
        names = ("rows", "changed", "failed", "complete", "dropped", "total", "left")
        counts = {name: getattr(report, name) for name in names}
        print_json(counts | {"failures": _as_json(reasons), "remarks": list(report.remarks)})
        return
    state = "" if report.complete else "; paused, run it again to go on"
    if report.dropped:
        state = f"; another step was begun meanwhile, and this {step} was dropped: see the status"
    elif report.left:
        state = f"; the database counts {report.left:,} of {report.total:,} as left"
    say(f"{counted(report.rows, 'row')}, {report.changed:,} changed, {report.failed:,} failed{state}")
    untold = report.failed - len(report.failures)
    if untold > 0:
        say(f"{untold:,} failures are not named here: `fieldcrypt migrate verify` names them")
    for remark in report.remarks:
        say(f"left to do: {remark}")
    _name(reasons)


def print_verified(report: VerifyReport, as_json: bool) -> None:
    """Print how many rows have defects, and on stderr which, and what was not verified."""
    if as_json:
        counts = {name: getattr(report, name) for name in ("rows", "wrong", "differing", "total", "left")}
        print_json(counts | {"reasons": _as_json(report.reasons), "remarks": list(report.remarks)})
        return
    say(report)
    for remark in report.remarks:
        _print_note(f"remark: {remark}")
    _name(report.reasons)


def print_status(found: MigrationStatus, as_json: bool) -> None:
    """Print how far the steps are."""
    if as_json:
        print_json([step._asdict() for step in found.steps])
        return
    if not found.steps:
        say(f"{found.name}: nothing was begun")
    parts = dict.fromkeys(step.part for step in found.steps)
    for part in parts:
        steps = [step for step in found.steps if step.part == part]
        if len(parts) > 1:
            say(part)
        print_table(("step", "state", "rows", "changed", "failed", "began"), [_row(step) for step in steps])
        for step in steps:
            for worker in step.workers:
                say(f"at work at the {step.step}: {worker}")


def _row(step: StepStatus) -> tuple[str, ...]:
    rows = f"{step.done:,}" if step.done == step.total else f"{step.done:,} of {step.total:,}"
    began = utc(int(step.began)).replace("T", " ")  # where a narrow terminal may break it
    return step.step, step.state, rows, f"{step.changed:,}", f"{step.failed:,}", began


def _as_json(reasons: Mapping[Key, str]) -> list[dict[str, str]]:
    return [{"key": format_key(key), "reason": reason} for key, reason in reasons.items()]


def _name(reasons: Mapping[Key, str]) -> None:
    """Print rows and their defects; many with the same reason together, with the first keys."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        by_reason.setdefault(reason, []).append(format_key(key))
    for reason, keys in by_reason.items():
        if len(keys) <= _NAMED:
            for each in keys:
                _print_note(f"{each}: {reason}")
        else:
            _print_note(f"{len(keys):,} rows ({'; '.join(keys[:_FIRST])}; …): {reason}")
    if any(len(keys) > _NAMED for keys in by_reason.values()):
        _print_note("--json names them all")


def _print_note(text: str) -> None:
    typer.echo(printable(text), err=True)
