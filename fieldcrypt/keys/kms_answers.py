"""What the errors of AWS KMS mean for a client that has other regions to ask."""

from __future__ import annotations

import enum

__all__ = ["Answer", "answer"]


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


def answer(code: str, status: int) -> Answer:
    """Return what an error means.

    Args:
        code: the error code, as in `ClientError.response["Error"]["Code"]`.
        status: the HTTP status, which decides about codes that are not known.
    """
    known = _ANSWERS.get(code.rpartition("#")[2])
    if known is not None:
        return known
    return Answer.OUTAGE if status in _OUTAGE_STATUSES or status >= 500 else Answer.WRONG
