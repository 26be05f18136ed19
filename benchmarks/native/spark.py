"""Spark in two threads, all included: fields a second and core, by both backends, beside a job that changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from benchmarks.native.row import NATIVE, PURE, Row

__all__ = ["spark_row"]

HERE = Path(__file__).parents[2] / ".venv" / "spark"  # where `make test-spark` puts it
WORK = "Spark local[2], all included, fields a second and core"
JOBS = {"encrypt": "identity, texts", "decrypt": "identity, binary"}  # beside what they are seen
LESS = 0.85  # of what the identity job makes


def spark_row(backends: Iterable[str], rows: int) -> Row | str:
    """Measure each backend in a process of its own, or return the reason why not."""
    if find_spec("pyspark") is None and not HERE.exists():
        return "PySpark is not installed: `make test-spark` does that"
    found: dict[str, tuple[float, ...]] = {}
    identity: tuple[float, ...] = ()
    for backend in backends:
        figures = _measured(backend, rows)
        if isinstance(figures, str):
            return figures
        found[backend] = tuple(figures[job]["gross"] for job in JOBS)
        identity = tuple(figures[job]["gross"] for job in JOBS.values())
    return Row(
        WORK,
        f"identity, {' / '.join(map(_thousands, identity))}",
        tuple(JOBS),
        found,
        {PURE: (250_000.0,) * 2, NATIVE: tuple(LESS * figure for figure in identity)},
        more_is_better=True,
        show=_thousands,
    )


def _measured(backend: str, rows: int) -> dict[str, dict[str, float]] | str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "figures.json"
        command = [sys.executable, "-m", "benchmarks.spark", "--rows", str(rows), "--json", str(path)]
        paths = (str(HERE), os.environ.get("PYTHONPATH"))
        environment = os.environ | {
            "FIELDCRYPT_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment)  # noqa: S603 (ourselves)
        if not path.exists():  # a limit that is exceeded is no failure here
            return f"it failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
        figures: dict[str, dict[str, dict[str, float]]] = json.loads(path.read_text())
    return figures["clock"]


def _thousands(figure: float) -> str:
    return f"{figure:,.0f}"
