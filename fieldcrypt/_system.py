"""What the core takes from the operating system: randomness, two clocks, sleep, threads, and notice of a fork.

All in one place, so that test vectors can fix the randomness and tests can move the clocks. Callers look the names up
in this module at every call (`_system.random_bytes(12)`), which costs the hot path only some nanoseconds.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any


def _kernel_randomness() -> Callable[[int], bytes]:
    """Return the shorter way to the kernel's generator, for up to 256 bytes.

    os.getrandom is the system call behind os.urandom, but does not let another thread run meanwhile: it takes a tenth
    less time, and half alongside a busy thread. But glibc from 2.41 on can answer os.urandom without a system call.
    """
    try:
        library, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        if library == "glibc" and [int(part) for part in version.split(".")[:2]] < [2, 41] and os.getrandom(1):
            return os.getrandom
    except (AttributeError, OSError, ValueError):
        pass  # another system or library, or a kernel that is old or configured to refuse the call
    return os.urandom


random_bytes: Callable[[int], bytes] = _kernel_randomness()
monotonic: Callable[[], float] = time.monotonic  # seconds; for limits within a process
wall_clock: Callable[[], float] = time.time  # seconds since 1970; for what is written down
sleep: Callable[[float], None] = time.sleep

# What the native core does without Python, as long as nothing else is in the place of these two.
DONE_NATIVELY = (monotonic, random_bytes)


def at_random() -> float:
    """Return a number from 0 to 1, so that many processes do not act at the same moment. It is not secret."""
    return os.urandom(1)[0] / 0xFF


def start_thread(work: Callable[[], None]) -> None:
    """Run work in a thread that does not keep the process alive."""
    threading.Thread(target=work, name="fieldcrypt", daemon=True).start()


_registering = threading.Lock()
_to_call_after_fork: list[weakref.WeakMethod[Callable[[], Any]]] = []
_MANY = 64
_sort_out_at = _MANY  # entries; doing it at every new one would take longer the more there are


def call_after_fork(method: Callable[[], Any]) -> None:
    """Call a bound method in every child that this process forks, for as long as its object lives.

    For key providers and key stores: a child must not use connections of its parent, nor locks that another thread of
    the parent may have held.
    """
    global _sort_out_at
    with _registering:
        if len(_to_call_after_fork) >= _sort_out_at:
            _to_call_after_fork[:] = [reference for reference in _to_call_after_fork if reference() is not None]
            _sort_out_at = 2 * len(_to_call_after_fork) + _MANY
        _to_call_after_fork.append(weakref.WeakMethod(method))


def _run_after_fork() -> None:
    global _registering
    _registering = threading.Lock()
    errors = []
    for reference in tuple(_to_call_after_fork):
        method = reference()
        if method is not None:
            try:
                method()
            except Exception as error:  # noqa: BLE001 (somebody's key provider must not keep the salts from being renewed)
                errors.append(error)
    if errors:
        raise errors[0]


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_run_after_fork)
