"""What serves a test ends with the process of the test, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.doubles import PATIENCE

STARTS = {
    "LocalAws": "LocalAws().__enter__()",
    "isolated regions": "LocalAws(isolated=True).__enter__()",
    "FaultyProxy": "FaultyProxy('http://127.0.0.1:1').__enter__()",
}
# The second child is what a pool of processes leaves: it inherits the pipes to the servers, and lives on.
PROGRAM = """
import os, subprocess, time
from fieldcrypt.testing import FaultyProxy, LocalAws
servers = []
start = subprocess.Popen.__init__
def noting(self, *args, **how):
    start(self, *args, **how)
    servers.append(self.pid)
subprocess.Popen.__init__ = noting
kept = {start}
forked = os.fork() if {fork} else None
if forked != 0:
    print(*servers, forked or "", flush=True)
time.sleep({patience})
"""


@pytest.fixture(params=[False, True], ids=["alone", "with a forked child"])
def fork(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=STARTS.values(), ids=[*STARTS])
def servers(request: pytest.FixtureRequest, fork: bool) -> Iterator[list[int]]:
    """The processes that a process started which was killed."""
    program = PROGRAM.format(start=request.param, fork=fork, patience=2 * PATIENCE)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    yield pids[:-1] if fork else pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # ended, if nobody has asked how
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="it looks into /proc")
def test_servers_of_a_killed_process_end(servers: list[int]) -> None:
    """Nothing is left of a test run that was killed."""
    assert servers
    end = time.monotonic() + PATIENCE
    while any(map(is_there, servers)):
        assert time.monotonic() < end, "they go on"
        time.sleep(0.05)
