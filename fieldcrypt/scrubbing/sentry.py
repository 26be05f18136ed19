"""A hook for Sentry's `before_send`, which needs nothing of Sentry's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fieldcrypt.scrubbing.parameters import is_of_an_engine, without_parameters

__all__ = ["Scrubber", "scrub"]

Event = TypeVar("Event", bound=MutableMapping[str, Any])

_SENT = ("data", "query_string", "cookies")  # by the client, in a request
_SENT_BEFORE = ("referer", "cookie")  # headers that repeat a query or what the client was given
_PARAMETERS = "db.params"  # of a statement, in a breadcrumb or a span
_ECHOED = re.compile(r"(\[[^\]]*\] ){1,2}[\[({<]|Row ")  # how a line with parameters, or a row, begins


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Takes out of an event what can be plaintext: `sentry_sdk.init(…, before_send=Scrubber())`.

    These are local variables of frames, parameters of SQL statements in messages, breadcrumbs and spans, and what the
    client sent in a request.

    Args:
        modules: of whose frames to take the local variables: a module of one of these names, or in a package of it.
            Default: of all frames, because the application's own hold plaintext too.
    """

    modules: Iterable[str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.modules, str):
            raise TypeError("modules are several names, not a single text")
        if self.modules is not None:
            object.__setattr__(self, "modules", tuple(self.modules))

    def __call__(self, event: Event, hint: Any = None) -> Event:
        """Return the event without these.

        Args:
            event: as `before_send` and `before_send_transaction` get it. It is changed.
            hint: is not looked at.
        """
        for stack in _stacks(event):
            for frame in _dicts(stack.get("frames")):
                if self._concerns(str(frame.get("module") or "")):
                    frame.pop("vars", None)
        for error in _values(event, "exception"):
            error["value"] = without_parameters(error.get("value"))
        if "message" in event:
            event["message"] = without_parameters(event["message"])
        entry = event.get("logentry")
        if isinstance(entry, MutableMapping):
            for text in ("message", "formatted"):
                entry[text] = without_parameters(entry.get(text))
        for note in (*_values(event, "breadcrumbs"), *_dicts(event.get("spans"))):
            data = note.get("data")
            if isinstance(data, MutableMapping):
                for name in [name for name in data if name.startswith(_PARAMETERS)]:
                    del data[name]
            if "message" in note:
                note["message"] = without_parameters(note["message"])
                if is_of_an_engine(str(note.get("category"))) and _ECHOED.match(str(note["message"])):
                    note["message"] = "[parameters: hidden]"
        request = event.get("request")
        if isinstance(request, MutableMapping):
            for part in _SENT:
                request.pop(part, None)
            headers = request.get("headers")
            if isinstance(headers, MutableMapping):
                for name in [name for name in headers if str(name).lower() in _SENT_BEFORE]:
                    del headers[name]
        return event

    def _concerns(self, module: str) -> bool:
        return self.modules is None or any(module == name or module.startswith(f"{name}.") for name in self.modules)


# A Scrubber for the frames of all modules: the hook to give to Sentry as `before_send`.
scrub = Scrubber()


def _stacks(event: MutableMapping[str, Any]) -> Iterator[MutableMapping[str, Any]]:
    """Return all stacks in an event: of its errors, of threads, and its own."""
    for holder in (*_values(event, "exception"), *_values(event, "threads"), event):
        stack = holder.get("stacktrace")
        if isinstance(stack, MutableMapping):
            yield stack


def _values(event: MutableMapping[str, Any], name: str) -> Iterator[MutableMapping[str, Any]]:
    """Return the members of a list of an event; it stands under "values", or itself there."""
    found = event.get(name)
    return _dicts(found.get("values") if isinstance(found, MutableMapping) else found)


def _dicts(found: Any) -> Iterator[MutableMapping[str, Any]]:
    for each in found if isinstance(found, (list, tuple)) else ():
        if isinstance(each, MutableMapping):
            yield each
