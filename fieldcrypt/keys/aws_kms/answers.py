"""What the errors of AWS KMS, and of the way to it, mean for a client that has other regions to ask."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError

__all__ = [
    "FAILURES",
    "Answer",
    "IncompleteAnswerError",
    "answer_of",
    "classify",
    "error_name",
    "is_missing_key",
    "part_of",
    "without_request",
]

T = TypeVar("T")


class IncompleteAnswerError(Exception):
    """Something between here and KMS answered in its place: a proxy's login page, for example."""


# What a call of a boto3 client can raise.
FAILURES = (ClientError, BotoCoreError, ResponseParserError, IncompleteAnswerError)

_NETWORK = (
    ConnectionError,  # botocore's: refused, DNS, TLS, proxies, time to connect
    HTTPClientError,  # time to read, connections that end early
    IncompleteReadError,
    CredentialRetrievalError,  # from a metadata service, which is one more thing that can be down
    ResponseParserError,
    IncompleteAnswerError,
)


class Answer(enum.Enum):
    """The kinds of errors."""

    OUTAGE = "outage"  # says nothing of the key: the next region may do better, and this one later
    NO_REPLICA = "no replica"  # the key is not in this region
    DENIED = "denied"  # somebody decided so
    NOT_AUTHENTIC = "not authentic"  # the wrapped key, or its context, is not what the key wrapped
    WRONG = "wrong"  # the request or the credentials; the same everywhere and later


_BY_CODE = {
    Answer.OUTAGE: (
        "DependencyTimeoutException",
        "ExpiredToken",  # of credentials that are fetched anew: the next attempt has others
        "ExpiredTokenException",
        "InternalFailure",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    Answer.NO_REPLICA: ("NotFoundException", "OptInRequired"),
    Answer.DENIED: (
        "AccessDenied",
        "AccessDeniedException",
        "DisabledException",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
    ),
    Answer.NOT_AUTHENTIC: ("InvalidCiphertextException", "IncorrectKeyException"),
}
_ANSWERS = {code: kind for kind, codes in _BY_CODE.items() for code in codes}
_OUTAGE_STATUSES = (408, 429)


def classify(error: Exception) -> Answer:
    """Return what one of `FAILURES` means. An unknown error code counts by its HTTP status."""
    if isinstance(error, ClientError):
        known = _ANSWERS.get(error_name(error))
        if known is not None:
            return known
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Answer.OUTAGE if status in _OUTAGE_STATUSES or status >= 500 else Answer.WRONG
    return Answer.OUTAGE if isinstance(error, _NETWORK) else Answer.WRONG


def is_missing_key(error: Exception) -> bool:
    """Say whether an error means that there is no such key in the region."""
    return isinstance(error, FAILURES) and classify(error) is Answer.NO_REPLICA


def error_name(error: Exception) -> str:
    """Return the error code of KMS, or the name of the exception."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "").rpartition("#")[2] or "error without a code"
    return type(error).__name__


def answer_of(call: Callable[[Any], T], client: Any) -> T:
    """Return what a call of a client returns.

    Raises:
        IncompleteAnswerError: botocore could not parse what came; its parsers take KMS at its word.
    """
    try:
        return call(client)
    except (ValueError, TypeError, AttributeError) as error:
        raise IncompleteAnswerError(f"an answer that is none ({type(error).__name__}): is this KMS?") from None


def part_of(answer: Mapping[str, Any], name: str) -> Any:
    """Return a part of an answer of KMS.

    Raises:
        IncompleteAnswerError: it is not there.
    """
    if name not in answer:
        raise IncompleteAnswerError(f"an answer without {name}: is this KMS?")
    return answer[name]


def without_request(error: Exception) -> Exception:
    """Return an error of botocore without the request, whose body is a data key and whose headers are credentials.

    The errors that it was made of go too: the frames of their tracebacks hold the request.
    """
    if isinstance(error, BotoCoreError):
        error.kwargs = {name: str(value) for name, value in error.kwargs.items()}
        for name in ("request", "response"):
            if hasattr(error, name):
                setattr(error, name, None)
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
