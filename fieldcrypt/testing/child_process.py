"""Child processes that are controlled through their standard input."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from threading import Lock, Thread

__all__ = ["ChildProcess", "end_with_parent"]

_LOOKING = 0.5  # seconds between two looks whether the parent is still there


class ChildProcess:
    """A module of ours, run as a process that prints a line when it is ready, and a line after each command.

    It ends with its standard input, or with this process if it calls `end_with_parent`.

    Args:
        module: the module to run.
        arguments: its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._lock = Lock()
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self) -> str:
        """Wait for its next line, and return it.

        Raises:
            RuntimeError: it ended.
        """
        line = self._process.stdout.readline() if self._process.stdout and not self._process.stdout.closed else ""
        if not line:
            raise RuntimeError(f"{self._module} ended; its own message is above, if it had one")
        return line

    def ask(self, command: str) -> str:
        """Give a command of one line, and return the answer. Threads take turns.

        Raises:
            RuntimeError: it ended.
        """
        with self._lock:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it ended, or was killed: there will be no answer
                if self._process.stdin is not None:
                    self._process.stdin.write(f"{command}\n")
                    self._process.stdin.flush()
            return self.answer()

    def kill(self) -> None:
        """End it at once, whatever it is doing, as `kill -9` does; a second time does nothing."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()


def end_with_parent() -> None:
    """End this process within a second of its parent's end.

    Its standard input does not end then if another child of the parent, forked from it, still holds the other end.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOKING)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
