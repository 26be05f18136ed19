"""What the frames of a traceback hold: as error trackers record it, and a little more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

from tests.support.spellings import spellings

__all__ = ["errors_of", "frames_of", "held"]


def held(error: BaseException, *secrets: str | bytes, module: str = "fieldcrypt") -> list[str]:
    """The local variables that show a secret, in frames of modules of this name, of an error and all that it came from.

    A variable shows a secret if its repr does, or that of one of its attributes.
    """
    shown = [spelling for secret in secrets for spelling in _spelled(secret)]
    return [
        f"{frame.f_globals['__name__']}.{frame.f_code.co_name}: {name}"
        for each in errors_of(error)
        for frame in frames_of(each.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(module)
        for name, value in frame.f_locals.items()
        if any(spelling in text for text in _texts(value) for spelling in shown)
    ]


def errors_of(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it came from, in whatever way."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            waiting += getattr(each, "causes", {}).values()


def frames_of(traceback: TracebackType | None) -> Iterator[FrameType]:
    """The frames of a traceback, from the outermost one."""
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _spelled(secret: str | bytes) -> list[str]:
    return [secret] if isinstance(secret, str) else spellings(secret)


def _texts(value: Any) -> Iterator[str]:
    yield _repr(lambda: value)
    names = {*getattr(value, "__dict__", ())}
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names |= {slots} if isinstance(slots, str) else {*slots}
    for name in names:
        yield _repr(lambda name=name: getattr(value, name, None))  # type: ignore[misc]


def _repr(get: Callable[[], object]) -> str:
    try:
        return repr(get())
    except Exception:  # noqa: BLE001 (a repr may raise anything)
        return ""
