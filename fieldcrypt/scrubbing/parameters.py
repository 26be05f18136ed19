"""Parameters of SQL statements in the text of SQLAlchemy's errors and log lines."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["is_of_an_engine", "without_parameters"]

# They stand at the end of an error's message, which may be followed by a link to an explanation. In a message that
# somebody shortened, or went on writing, nothing tells where they end: then all that follows is taken for theirs.
_IN_MESSAGE = re.compile(r"\[parameters: (?:.*\](?=\s*(\(Background on|\Z))|.*)", re.DOTALL)
_ENGINE = "sqlalchemy.engine"


def without_parameters(message: Any) -> Any:
    """Return a message without the parameters in it; anything else as it is."""
    return _IN_MESSAGE.sub("[parameters: hidden]", message) if isinstance(message, str) else message


def is_of_an_engine(logger: str) -> bool:
    """Return True for the name of a logger that writes statements, and their parameters, with `echo=True`."""
    return logger == _ENGINE or logger.startswith(f"{_ENGINE}.")
