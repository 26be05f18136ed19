"""Who works at a step, so that others know when somebody does not any more."""

from __future__ import annotations

import os
import platform
from itertools import count

__all__ = ["is_dead", "worker_name"]

_made = count()
_NODE_SIZE = 150  # characters of a machine's name


def worker_name(number: int) -> str:
    """Return the name of a worker of this process, which no other one has: two steps of one process do not share it."""
    return f"{platform.node()[:_NODE_SIZE]} {os.getpid()} {number}.{next(_made)}"


def is_dead(worker: str) -> bool:
    """Say whether a worker was one of a process of this machine that is no more, so that nobody waits for its lease."""
    node, _, process = worker.rpartition(" ")[0].rpartition(" ")
    if node != platform.node()[:_NODE_SIZE] or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
