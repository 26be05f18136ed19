"""Changes the code of the format, of rotation and of the row rule, and says which changes no test notices.

python -m tests.support.release.mutants [--every=N] [PATTERN…]

mutmut makes thousands of changes and runs the tests of what each one changes, which takes hours. With `--every=N` it is
the first and every N-th one after it of each subject. What mutmut works on is laid out in build/mutants, where both
packages are next to each other: it takes a file's path for its module's name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[3]
TREE = ROOT / "build" / "mutants"
CHANGED = TREE / "mutants"
SUBJECTS = {
    "fieldcrypt.format": "the format",
    "fieldcrypt.keys": "rotation",
    "fieldcrypt_sqlalchemy.row_rule": "the row rule",
}
KILLED, SURVIVED, UNTESTED = {1, 3}, {0}, {5, 33}  # exit codes of pytest, and one of mutmut


def main(arguments: Sequence[str]) -> None:
    every = next((int(each.removeprefix("--every=")) for each in arguments if each.startswith("--every=")), 1)
    patterns = [each for each in arguments if not each.startswith("--")] or ["*"]
    _lay_out()
    _mutmut("run", "fieldcrypt.keys.rotation.x_choose__mutmut_1")  # makes all of them, and tries one
    names = [name for name, _ in _results() if any(fnmatch(name, pattern) for pattern in patterns)]
    chosen = [name for _, of_one in groupby(names, _subject) for name in list(of_one)[::every]]
    _mutmut("run", *chosen)
    wanted = set(chosen)
    _report({name: code for name, code in _results() if name in wanted})


def _lay_out() -> None:
    CHANGED.mkdir(parents=True, exist_ok=True)  # Python would not look again into what is not there when it starts
    for name in ("fieldcrypt", "integrations/fieldcrypt_sqlalchemy", "tests", "benchmarks", "examples"):
        source, ignore = ROOT / name, shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, TREE / source.name, ignore=ignore, dirs_exist_ok=True)
    for name in ("pyproject.toml", "SPEC.md"):
        shutil.copy2(ROOT / name, TREE)


def _mutmut(*arguments: str) -> None:
    """Run mutmut. CI has Hypothesis try the same examples each time, without a deadline."""
    path = os.pathsep.join([str(CHANGED), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"CI": "true", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-P", "-m", "mutmut", *arguments], cwd=TREE, env=environment, check=True)


def _results() -> Iterator[tuple[str, int | None]]:
    """Yield each change by name, and what its tests ended with: None if they did not run."""
    for path in sorted(CHANGED.rglob("*.meta")):
        yield from json.loads(path.read_text())["exit_code_by_key"].items()


def _subject(name: str) -> str:
    return next(subject for prefix, subject in SUBJECTS.items() if name.startswith(prefix))


def _report(results: dict[str, int | None]) -> None:
    print(*(name for name, code in results.items() if code in SURVIVED), sep="\n")
    print(f"{'':12}  {'changes':>8} {'noticed':>8} {'not':>8} {'untested':>8} {'other':>8}")
    for subject, names in groupby(results, _subject):
        codes = Counter(_kind(results[name]) for name in names)
        shown = (codes[kind] for kind in ("noticed", "not", "untested", "other"))
        print(f"{subject:12}  {codes.total():8,}", *(f"{number:8,}" for number in shown))


def _kind(code: int | None) -> str:
    kinds = {"noticed": KILLED, "not": SURVIVED, "untested": UNTESTED}
    return next((kind for kind, codes in kinds.items() if code in codes), "other")  # too slow, most of them


if __name__ == "__main__":
    main(sys.argv[1:])
