"""A real MariaDB on loopback, and a replica of it: an installed one, or the one that `make test` fetches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import OperationalError

from tests.support.servers import HOST, NOBODY, Replica, Server, is_root, not_as_root, until

FETCHED = Path(sys.prefix) / "mariadb"  # where tests/support/install_mariadb.py puts it
DATABASE = "fieldcrypt"
USER = "fieldcrypt"
MISSING = (
    "the tests need MariaDB's server, mariadbd. Install it (Debian: apt-get install mariadb-server, or as any user: "
    "python -m tests.support.install_mariadb), or leave out the tests that need it: pytest --without-mariadb"
)
_SYSTEM_TABLES = ("system_tables.sql", "system_tables_data.sql")  # after mysql_ or, from MariaDB 11 on, mariadb_
_NO_TLS = "ssl_disabled=1"  # or PyMySQL reads all authorities' certificates for each connection, in 40 ms
_PATIENCE = 3_600_000  # milliseconds that a semi-synchronous primary waits for its replica: longer than any test
_FAST = (
    "--innodb-flush-log-at-trx-commit=2",
    "--loose-innodb-flush-method=nosync",
    "--loose-debug-no-sync",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
)


class Installation(NamedTuple):
    """Where MariaDB's files are."""

    program: Path
    share: Path
    library_path: str

    @classmethod
    def found(cls) -> Installation:
        """Return the installed one, or else the fetched one.

        Raises:
            RuntimeError: there is none; the message says what to do.
        """
        system = shutil.which("mariadbd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
        installation = cls.at(Path(system)) if system else cls.fetched(FETCHED)
        if installation is None:
            raise RuntimeError(MISSING)
        return installation

    @classmethod
    def fetched(cls, root: Path) -> Installation | None:
        """Return the one below a directory into which Debian's packages were unpacked, if it is there."""
        libraries = os.pathsep.join(str(path) for top in ("usr/lib", "lib") for path in root.glob(f"{top}/*-linux-*"))
        return cls.at(root / "usr/sbin/mariadbd", libraries)

    @classmethod
    def at(cls, program: Path, library_path: str = "") -> Installation | None:
        """Return the one that a program belongs to, if it is whole."""
        prefix = program.resolve().parent.parent
        for share in (prefix / "share/mysql", prefix / "share/mariadb"):
            if program.exists() and any(share.glob(f"*_{_SYSTEM_TABLES[0]}")):
                return cls(program, share, library_path)
        return None

    def copied(self, directory: Path) -> Installation:
        """Return a copy in a directory."""
        root = self.program.parents[2]
        shutil.copytree(root, directory, symlinks=True)
        copy = self.fetched(directory)
        assert copy is not None
        return copy


class MariaDb(Server):
    """A MariaDB server, with a binary log that replicas can follow.

    Args:
        installation: where the program is.
    """

    _OPTIONS: tuple[str, ...] = ("--server-id=1",)

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the database, for a user who has no rights beyond it."""
        return f"mariadb+pymysql://{USER}@{HOST}:{self.port}/{DATABASE}?charset=utf8mb4&{_NO_TLS}"

    @property
    def _admin_url(self) -> str:
        return f"mariadb+pymysql://root@{HOST}:{self.port}/?{_NO_TLS}"

    def _start(self) -> None:
        if is_root():
            if self.installation.library_path:  # it is in the checkout, which the server's user may not be let into
                self.installation = self.installation.copied(self.directory / "installation")
            os.chown(self.directory, NOBODY, NOBODY)
        self._make_system_tables()
        self._serve()

    def _make_system_tables(self) -> None:
        (self.directory / "data").mkdir()
        if is_root():
            os.chown(self.directory / "data", NOBODY, NOBODY)
        files = [path for name in _SYSTEM_TABLES for path in self.installation.share.glob(f"*_{name}")]
        statements = b"".join([b"CREATE DATABASE mysql;\nUSE mysql;\n", *(path.read_bytes() for path in files)])
        done = subprocess.run(  # our own arguments
            [*self._command(), "--bootstrap"],
            input=statements,
            capture_output=True,
            env=self._environment(),
            **not_as_root(),
        )
        if done.returncode:
            raise RuntimeError(f"mariadbd --bootstrap failed:\n{done.stderr.decode()}")

    def _serve(self) -> None:
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # our own arguments
                [
                    *self._command(),
                    f"--bind-address={HOST}",
                    f"--port={self.port}",
                    "--socket=socket",  # in the data directory: paths of sockets have to be short
                    "--skip-name-resolve",
                    "--character-set-server=utf8mb4",
                    "--lock-wait-timeout=30",  # by default a test that forgets a transaction holds up others for a day
                    "--log-bin=binlog",
                    "--binlog-format=ROW",
                    "--gtid-strict-mode",
                    *self._OPTIONS,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                **not_as_root(),
            )
        until(self._answers, "MariaDB starts")
        self._set_up()

    def _set_up(self) -> None:
        self.sql(
            f"CREATE DATABASE {DATABASE}",
            f"CREATE USER {USER}@'{HOST}'",
            f"GRANT ALL ON {DATABASE}.* TO {USER}@'{HOST}'",
        )

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"mariadbd ended:\n{(self.directory / 'log').read_text()}")
        try:
            self.sql("SELECT 1")
        except OperationalError:
            return False
        return True

    def _stop(self) -> None:
        self.kill()  # a quick end: nothing of it is needed any more

    def kill(self) -> None:
        """Kill its process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        return [
            str(self.installation.program),
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--lc-messages-dir={self.installation.share}",
            f"--character-sets-dir={self.installation.share / 'charsets'}",
            *_FAST,
        ]

    def _environment(self) -> dict[str, str]:
        library_path = self.installation.library_path
        return {**os.environ, "LD_LIBRARY_PATH": library_path} if library_path else dict(os.environ)


class MariaDbReplica(MariaDb, Replica):
    """A replica that follows by GTID, from the first statement on.

    Args:
        primary: what it follows.
        synchronous: from now on, the primary acknowledges no commit that has not arrived here (semi-synchronous).
    """

    _OPTIONS = ("--server-id=2", "--read-only", "--log-slave-updates", "--rpl-semi-sync-slave-enabled")

    def __init__(self, primary: MariaDb, *, synchronous: bool = False) -> None:
        super().__init__(primary.installation)
        self._primary = primary
        self._synchronous = synchronous

    def _set_up(self) -> None:
        if self._synchronous:
            self._primary.sql(
                f"SET GLOBAL rpl_semi_sync_master_timeout = {_PATIENCE}",
                "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
                "SET GLOBAL rpl_semi_sync_master_enabled = ON",
            )
        self.sql(
            f"CHANGE MASTER TO MASTER_HOST = '{HOST}', MASTER_PORT = {self._primary.port}, MASTER_USER = 'root', "
            "MASTER_SSL = 0, MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos",
            "START SLAVE",
        )
        if self._synchronous:
            query = "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'"
            until(lambda: self._primary.sql(query)[0].Value == "1", "the replica is semi-synchronous")
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until it has done what is in the primary's binary log."""
        ((position,),) = self._primary.sql("SELECT @@gtid_binlog_pos")
        self._until_done(position)

    def pause(self) -> None:
        """Pause the thread that applies changes; they are still received."""
        self.sql("STOP SLAVE SQL_THREAD")

    def resume(self) -> None:
        """Go on with applying them."""
        self.sql("START SLAVE SQL_THREAD")

    def cut_off(self) -> None:
        """Receive nothing more."""
        self.sql("STOP SLAVE IO_THREAD")

    def promote(self) -> None:
        """Apply what was received, and take writes."""
        # In this order: if both threads ever stand still, MariaDB throws away what was received and not yet applied.
        self.sql("START SLAVE SQL_THREAD", "STOP SLAVE IO_THREAD")
        (status,) = self.sql("SHOW SLAVE STATUS")
        self._until_done(status.Gtid_IO_Pos)
        self.sql("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF")

    def _until_done(self, position: str) -> None:
        until(lambda: self.sql(f"SELECT MASTER_GTID_WAIT('{position}', 1)") == [(0,)], f"{position} is applied")
