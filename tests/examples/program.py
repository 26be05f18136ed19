"""An application in a process of its own, run as in production: by uvicorn, gunicorn or a Celery worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.support.doubles import PATIENCE
from tests.support.servers import until

ROOT = Path(__file__).parents[2]
_GRACE = 90.0  # seconds that a program may take to end: Celery's waits add up on a busy machine


class Program:
    """A running program.

    Attributes:
        status: how it ended; None while it runs.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._reader = Thread(target=self._read)
        self._reader.start()
        self.status: int | None = None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self._lines.append(line)

    @property
    def said(self) -> str:
        """All that it has written so far."""
        return "".join(self._lines)

    def until_it_says(self, pattern: str) -> str:
        """Return the first group of a pattern, once what it writes has it."""
        until(
            lambda: re.search(pattern, self.said) or self._process.poll() is not None, f"{pattern!r} in {self.said!r}"
        )
        found = re.search(pattern, self.said)
        assert found, f"it ended, and wrote {self.said!r}"
        return found[1]

    def stop(self) -> None:
        """Ask it to end, as orchestrators do, and wait until it has."""
        self._process.send_signal(signal.SIGTERM)
        self.status = self._process.wait(_GRACE)
        self._reader.join(PATIENCE)

    def kill(self) -> None:
        """End it, with its workers, unless it has ended."""
        if self.status is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.status = self._process.wait(PATIENCE)
            self._reader.join(PATIENCE)


@contextmanager
def running(module: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Program]:
    """Run a module of Python as a program, and kill it at the end, unless it was stopped.

    Args:
        module: such as "uvicorn".
        arguments: its arguments.
        environment: variables beside those of this process.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1", **environment},
    )
    program = Program(process)
    try:
        yield program
    finally:
        program.kill()
