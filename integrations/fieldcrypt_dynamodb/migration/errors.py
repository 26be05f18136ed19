"""What stops a migration, in words of what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from fieldcrypt.migration import MigrationError

__all__ = ["code_of", "in_words"]


def code_of(error: ClientError) -> str:
    """Return the name that DynamoDB gives to an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Say what DynamoDB said, and that one can go on.

    Raises:
        MigrationError: in place of whatever boto3 raises.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise MigrationError(f"{what}: {error}. What is done stays; run it again to go on") from error
