"""A filter for log handlers."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from fieldcrypt.scrubbing.parameters import is_of_an_engine, without_parameters

__all__ = ["ScrubbingFilter"]

# At DEBUG, these log requests and answers with all that is in them: of KMS, with data keys.
_TALKATIVE = frozenset({"boto3", "botocore", "aiobotocore", "urllib3", "pynamodb"})


class ScrubbingFilter(logging.Filter):
    """Keeps data keys and parameters of SQL statements out of what a handler writes.

    It drops debug records of libraries that log the requests and answers of AWS. It hides the parameters in the text of
    SQLAlchemy's errors, as `create_engine(…, hide_parameters=True)` does for an engine. Records with which `echo=True`
    shows parameters and rows are dropped. Add it to handlers, because a filter of a logger does not see the records of
    loggers below it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record that is not to be written."""
        if record.levelno < logging.INFO and record.name.partition(".")[0] in _TALKATIVE:
            return False
        if is_of_an_engine(record.name) and str(record.msg).endswith("%r"):
            return False
        if record.exc_info and record.exc_info[1] is not None:
            _hide_parameters(record.exc_info[1])
            record.exc_text = None  # which another handler may have left
        with suppress(Exception):  # arguments that do not fit: the handler says so
            message = record.getMessage()
            hidden = without_parameters(message)
            if hidden != message:
                record.msg, record.args = hidden, ()
        return True


def _hide_parameters(error: BaseException) -> None:
    """Hide the parameters in the text of an error, and of all that it came from."""
    waiting: list[Any] = [error]
    found: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) not in found:
            found.add(id(each))
            if hasattr(each, "hide_parameters"):  # a StatementError, which makes its text each time
                statement: Any = each
                statement.hide_parameters = True
            waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
