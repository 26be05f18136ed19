"""ministack on loopback: AWS's APIs in one process, with a DynamoDB whose global tables replicate at once.

All regions are behind one port: the region that a request is signed for is the one that answers it. Its KMS
authenticates nothing and is not used here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import URLError

from tests.support.servers import HOST, Service, until

PROGRAM = Path(sys.prefix) / "ministack/bin/ministack"  # where the Makefile puts it
MISSING = "the tests need ministack, in a virtual environment of its own: make .venv/ministack/.stamp"


class Ministack(Service):
    """A ministack that keeps nothing.

    Raises:
        RuntimeError: it is not installed; the message says what to do.
    """

    def __init__(self) -> None:
        if not PROGRAM.exists():
            raise RuntimeError(MISSING)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint of all services in all regions."""
        return f"http://{HOST}:{self.port}"

    def _start(self) -> None:
        where = {name: str(self.directory) for name in ("HOME", "TMPDIR", "STATE_DIR", "S3_DATA_DIR")}
        listen = {"BIND_HOST": HOST, "GATEWAY_PORT": str(self.port), "LOG_LEVEL": "WARNING"}
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # our own arguments
                [PROGRAM], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **where, **listen}
            )
        until(self._answers, "ministack starts")

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"ministack ended:\n{(self.directory / 'log').read_text()}")
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5):  # noqa: S310 (our own)
                return True
        except (URLError, TimeoutError):
            return False

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
