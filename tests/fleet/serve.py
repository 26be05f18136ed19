"""What runs in the process of a version: takes steps of exchanges until its input ends."""

from __future__ import annotations

# isort: off
import tests.fleet.clock  # noqa: F401 (first: fieldcrypt takes the clock as it finds it)

# isort: on
import os
import pickle
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any

import fieldcrypt
from tests.fleet.exchanges import STEPS
from tests.fleet.exchanges.site import Site


def where() -> str:
    """Return where the code is that runs here."""
    return str(Path(fieldcrypt.__file__).parents[1])


@cache
def site(kind: str, directory: str, endpoints: tuple[tuple[str, str], ...]) -> Site:
    """Return the site of an exchange: one for all of its steps here, whose keys stay live."""
    return Site(kind, Path(directory), dict(endpoints))


def answer(what: str, *arguments: Any) -> tuple[str, Any]:
    """Do something, and return its outcome and what came of it."""
    if what == "where":
        return "done", where()
    try:
        number, address, handed = arguments
        return "done", STEPS[what][number](site(*address), handed)
    except AssertionError:
        return "wrong", traceback.format_exc()
    except Exception as error:  # noqa: BLE001 (whatever it is, the test has to see it)
        text = f"{type(error).__name__}: {error}"
        return "refused", f"{text}\n{traceback.format_exc()}"


def main() -> None:
    """Answer what comes in. What others print goes to the error stream."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            asked = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(answer(*asked), answers)
        answers.flush()


if __name__ == "__main__":
    main()
