"""Tracebacks without local variables, which error trackers record: they would hold plaintext and keys.

There are two ways to keep them out. Where speed counts, a function catches the error, has `emptied` clear the frames
below (or `errors.located`, which calls it), and drops its own variables before it raises: that costs nothing while all
goes well. Everywhere else a function is `discreet`, which does the same around it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, wraps
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar, overload

__all__ = ["discreet", "emptied"]

E = TypeVar("E", bound=BaseException)
P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = "fieldcrypt"  # with which the names of the integrations begin too
# Flags of code objects, without the module `inspect`, which takes long to import
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_MAY_BE_SUSPENDED = _GENERATOR | _COROUTINE | _ASYNC_GENERATOR


def emptied(error: E, *, ours_alone: bool = False) -> E:
    """Return an error after dropping the local variables of all frames below: of fieldcrypt, and of what it called.

    So are those of its causes and contexts. Frames that still run keep theirs, the caller's among them. An error that
    the application was handling when it called fieldcrypt is left alone.

    Args:
        error: the error that is being handled.
        ours_alone: leave the frames of other packages: where fieldcrypt stands in the middle of theirs.
    """
    running = set(_running())
    for each in _chain(error, running):
        below = False
        for frame in _frames(each.__traceback__):
            is_ours = _is_ours(frame)
            below = below or is_ours
            if is_ours or (below and not ours_alone):
                _clear(frame)
    return error


@overload
def discreet(function: Callable[P, R]) -> Callable[P, R]: ...


@overload
def discreet(*, ours_alone: bool) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def discreet(function: Callable[..., Any] | None = None, *, ours_alone: bool = False) -> Callable[..., Any]:
    """Have a function leave no local variables, nor arguments, in the tracebacks of what it raises.

    Args:
        function: the function, a coroutine function for example, but no generator function.
        ours_alone: as for `emptied`: `@discreet(ours_alone=True)`.
    """
    if function is None:
        return partial(discreet, ours_alone=ours_alone)
    if function.__code__.co_flags & _COROUTINE:

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                args, kwargs = (), {}
                emptied(error, ours_alone=ours_alone)
                raise

        return awaited

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            args, kwargs = (), {}
            emptied(error, ours_alone=ours_alone)
            raise

    return called


def _running() -> Iterator[FrameType]:
    """Return the frames of this thread."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _chain(error: BaseException, running: set[FrameType]) -> Iterator[BaseException]:
    """Return an error and all that it came from, but not what the application was handling when it called."""
    found: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in found:
            continue
        found.add(id(each))
        if each is not error and _is_the_callers(each, running):
            continue
        yield each
        waiting += (other for other in (each.__cause__, each.__context__) if other is not None)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        causes = getattr(each, "causes", None)  # of a KeyProviderError, by region
        if isinstance(causes, dict):
            waiting += (other for other in causes.values() if isinstance(other, BaseException))


def _is_the_callers(error: BaseException, running: set[FrameType]) -> bool:
    """Return True if an error was caught in a frame that still runs and is not fieldcrypt's."""
    first = next(_frames(error.__traceback__), None)
    return first is not None and first in running and not _is_ours(first)


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_PACKAGE)


def _clear(frame: FrameType) -> None:
    if frame.f_code.co_flags & _MAY_BE_SUSPENDED and _is_suspended(frame):
        return
    with suppress(RuntimeError):  # it still runs
        frame.clear()


def _is_suspended(frame: FrameType) -> bool:
    """Return True if a generator may go on in its frame, which clearing it would end."""
    if sys.version_info >= (3, 13):
        return False  # then it refuses to be cleared
    from opcode import opmap

    return frame.f_code.co_code[frame.f_lasti] == opmap["YIELD_VALUE"]
