"""The last release and this version, each running in a process of its own."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["ROOT", "RefusedError", "Version", "unpack_last_release"]

ROOT = Path(__file__).parents[2]
_RELEASE = ROOT / "tests" / "frozen" / "0.1.tar.xz"  # the code that wrote what is in tests/frozen/data


class RefusedError(Exception):
    """A version has refused something; its text is the exception there, with its class in front."""


def unpack_last_release(directory: Path) -> Path:
    """Put the code of the last release into a directory, and return the directory."""
    with tarfile.open(_RELEASE) as archive:
        archive.extractall(directory, filter="data")
    shutil.copytree(Path(__file__).parent, directory / "tests" / "fleet")
    return directory


class Version:
    """A process that runs the code of one version, and takes the steps of `tests.fleet.exchanges` that it is told to.

    Args:
        root: where the code is.
        environment: variables that are added to those of this process.
    """

    def __init__(self, root: Path, **environment: str) -> None:
        paths = os.pathsep.join([str(root), str(root / "integrations")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.serve"],
            cwd=root,
            env={**os.environ, **environment, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.root = Path(self.call("where"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=20)

    def call(self, *what: Any) -> Any:
        """Have the version do something and return what came of it, which is of built-in types.

        Raises:
            RefusedError: it was refused there.
            AssertionError: it came out wrong there.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(what, self._process.stdin)
        self._process.stdin.flush()
        outcome, found = pickle.load(self._process.stdout)
        if outcome == "refused":
            raise RefusedError(found)
        assert outcome == "done", found
        return found
