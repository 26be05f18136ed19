"""The machine that tests the row rule: random operations in two sessions, and a check of all rows after each commit."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from tests.sqlalchemy.row_rule.ledger import RowRuleError
from tests.sqlalchemy.row_rule.listeners import Listeners
from tests.sqlalchemy.row_rule.models import SHAPES
from tests.sqlalchemy.row_rule.objects import Objects
from tests.sqlalchemy.row_rule.scene import Step
from tests.sqlalchemy.row_rule.statements import Statements

__all__ = ["DOORS", "RowMachine", "run"]

STEPS = 30  # of one example
DOORS = frozenset(
    {
        *("move tenant", "move key", "expire", "refresh", "partial load", "delete", "replace", "detach", "copy"),
        *("savepoint", "listeners", "defaults"),
        *("insert", "bulk save", "bulk update", "update", "upsert", "delete by statement"),
    }
)


class RowMachine(Objects, Statements, Listeners):
    """All rules."""


def run(
    shape: str, engine: Engine, steps: int, *, doors: frozenset[str] = DOORS, derandomize: bool = False
) -> Counter[str]:
    """Run the machine, and return how many operations had which outcome.

    Args:
        shape: which model, by its name in `SHAPES`.
        engine: a database that has its tables.
        steps: how many rules to run, about.
        doors: the ways to change rows that are tried.
        derandomize: do the same each time.

    Raises:
        RowRuleError: the row rule does not hold. The rules that show it are printed.
    """
    tally: Counter[str] = Counter()
    members = {"shape": SHAPES[shape], "engine": engine, "doors": doors, "tally": tally}
    machine: Any = type("RowMachine", (RowMachine,), members)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=max(1, steps // STEPS),
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=derandomize,
                database=None,
                phases=[Phase.generate],  # `shortest` is quicker
                report_multiple_bugs=False,
                verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:
        raise RowRuleError(_program(shape, *_shortest(machine, machine.latest, error))) from error
    return tally


def replay(machine: type[RowMachine], steps: list[Step]) -> Exception | None:
    """Do steps, and return what they raise."""
    scene = machine()
    try:
        try:
            scene.two_rows()
            for name, arguments in steps:
                getattr(scene, name)(**arguments)
        finally:
            scene.teardown()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what was looked for)
        return error
    return None


def _shortest(machine: type[RowMachine], steps: list[Step], error: Exception) -> tuple[list[Step], Exception]:
    """Leave out all steps without which it fails as well."""
    size = len(steps)
    while size:
        at = 0
        while at < len(steps):
            rest = steps[:at] + steps[at + size :]
            found = replay(machine, rest)
            if found is None:
                at += size
            else:
                steps, error = rest, found
        size //= 2
    return steps, error


def _program(shape: str, steps: list[Step], error: Exception) -> str:
    calls = [f"  state.{name}({', '.join(f'{key}={value!r}' for key, value in kw.items())})" for name, kw in steps]
    return "\n".join([f"{shape}: {type(error).__name__}: {error}", *calls])
