"""What errors of AWS KMS, and of the network on the way to it, mean for a client that has other regions."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore import exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ClosedPoolError

__all__ = [
    "FAILURES",
    "Answer",
    "IncompleteAnswerError",
    "answer_of",
    "classify",
    "error_name",
    "is_dead_connection",
    "is_missing_key",
    "part_of",
    "with_key_state",
    "redacted_error",
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
    ResponseParserError,
    IncompleteAnswerError,
)
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
    getattr(exceptions, "LoginError", SSOError),  # of `aws login`, which is younger than the oldest botocore we take
)
# Of STS, IAM Identity Center and AWS Sign-In, from which botocore fetches credentials within a call of KMS.
_CREDENTIAL_OPERATIONS = {
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "CreateOAuth2Token",
    "CreateToken",
    "GetFederationToken",
    "GetRoleCredentials",
    "GetSessionToken",
}


class Answer(enum.Enum):
    """The kinds of errors."""

    OUTAGE = "outage"  # says nothing about the key: the next region may work now, and this one later
    KEY_AWAY = "key away"  # an outage of this key here: its own key store is silent, or its imported material is gone
    CREDENTIALS = "credentials"  # expired, missing, unknown in this region, or the clock is wrong: says nothing either
    NO_REPLICA = "no replica"  # the key is not in this region
    DENIED = "denied"  # a decision
    NOT_AUTHENTIC = "not authentic"  # the wrapped key, or its context, is not what the key wrapped
    WRONG = "wrong"  # the request itself: it would fail everywhere, and later too

    @property
    def passing(self) -> bool:
        """True if the region might still say yes or no."""
        return self in (Answer.OUTAGE, Answer.KEY_AWAY, Answer.CREDENTIALS)


_BY_CODE = {
    Answer.OUTAGE: (
        "DependencyTimeoutException",
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
    Answer.CREDENTIALS: (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    Answer.NO_REPLICA: ("NotFoundException",),
    Answer.DENIED: (
        "AccessDenied",
        "AccessDeniedException",
        "DisabledException",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
    ),
    Answer.NOT_AUTHENTIC: ("InvalidCiphertextException", "IncorrectKeyException"),
}
_ANSWERS = {code: kind for kind, codes in _BY_CODE.items() for code in codes}
_OUTAGE_STATUSES = (408, 429)

# AWS says KMSInvalidStateException for a key that is pending deletion, for one whose imported material is gone, and for
# every failure of a custom or external key store.
_INVALID_STATE = "KMSInvalidStateException"
_PENDING_DELETION = re.compile("pending (replica )?deletion", re.IGNORECASE)
_DECIDED_STATES = ("Disabled", "PendingDeletion", "PendingReplicaDeletion")


def classify(error: Exception) -> Answer:
    """Return what one of `FAILURES` means. An unknown error code is judged by its HTTP status."""
    if isinstance(error, ClientError):
        if error.operation_name in _CREDENTIAL_OPERATIONS:
            return Answer.CREDENTIALS
        if error_name(error) == _INVALID_STATE:
            return Answer.DENIED if _PENDING_DELETION.search(str(error)) else Answer.KEY_AWAY
        known = _ANSWERS.get(error_name(error))
        if known is not None:
            return known
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Answer.OUTAGE if status in _OUTAGE_STATUSES or status >= 500 else Answer.WRONG
    if isinstance(error, _NO_CREDENTIALS):
        return Answer.CREDENTIALS
    return Answer.OUTAGE if isinstance(error, _NETWORK) else Answer.WRONG


def with_key_state(error: Exception, describe: Callable[[], str]) -> Answer:
    """Return what an error means, asking for the state of the key if necessary.

    Args:
        error: one of `FAILURES`.
        describe: asks KMS for the `KeyState`; raises one of `FAILURES` if that cannot be had.
    """
    if isinstance(error, ClientError) and error_name(error) == _INVALID_STATE:
        try:
            return Answer.DENIED if describe() in _DECIDED_STATES else Answer.KEY_AWAY
        except FAILURES:  # usually no permission: then the error's message has to do
            return classify(error)
    return classify(error)


def is_dead_connection(error: Exception) -> bool:
    """Return True if a call's connection was dead, or died during it, so that a fresh one may work."""
    if isinstance(error, SSLError):
        return "EOF occurred" in str(error)
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), ClosedPoolError):
        return True  # closed by another thread, which found its own connection dead
    return isinstance(error, ConnectionClosedError)


def is_missing_key(error: Exception) -> bool:
    """Return True if an error means that there is no such key in the region."""
    return isinstance(error, FAILURES) and classify(error) is Answer.NO_REPLICA


def error_name(error: Exception) -> str:
    """Return the error code of KMS, or the name of the exception."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "").rpartition("#")[2] or "error without a code"
    return type(error).__name__


def answer_of(call: Callable[[Any], T], client: Any) -> T:
    """Return what a call of a client returns.

    Raises:
        IncompleteAnswerError: botocore could not parse the answer.
    """
    try:
        return call(client)
    except (ValueError, TypeError, AttributeError) as error:
        raise IncompleteAnswerError(f"not an answer of KMS ({type(error).__name__}): is this KMS?") from None


def part_of(answer: Mapping[str, Any], name: str, kind: type[T], size: int | None = None) -> T:
    """Return a part of an answer of KMS.

    Args:
        answer: what a client returned.
        name: of the part.
        kind: its type.
        size: how long it is at most.

    Raises:
        IncompleteAnswerError: it is not there, empty, too long, or of another type.
    """
    part = answer.get(name)
    if not isinstance(part, kind) or not part or (size is not None and len(part) > size):  # type: ignore[arg-type]
        raise IncompleteAnswerError(f"an answer without {name}, or with one of the wrong form: is this KMS?")
    return part


def redacted_error(error: Exception) -> Exception:
    """Return an error of botocore without the request, whose body is a data key and whose headers are credentials.

    Its causes are dropped too: the frames of their tracebacks hold the request.
    """
    if isinstance(error, BotoCoreError):
        error.kwargs = {name: str(value) for name, value in error.kwargs.items()}
        for name in ("request", "response"):
            if hasattr(error, name):
                setattr(error, name, None)
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
