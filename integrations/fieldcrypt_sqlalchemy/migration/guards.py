"""What has to be so before a step that cannot be taken back, or takes something back."""

from __future__ import annotations

import time

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.migration.checkpoints import Checkpoints
from fieldcrypt_sqlalchemy.migration.part import Part

__all__ = ["check_can_undo", "check_verified"]


def check_verified(checkpoints: Checkpoints, part: Part) -> None:
    """Refuse to finish what `verify` has not found right since it was encrypted.

    Raises:
        ConfigurationError: it has not.
    """
    backfill, verify = (checkpoints.find(step, part.name) for step in ("backfill", "verify"))
    if (
        verify is None
        or verify.ended is None
        or (backfill is not None and verify.began < (backfill.ended or time.time()))
    ):
        raise ConfigurationError(f"{part.name}: verify all rows first, after the backfill is done")
    if verify.failed:
        raise ConfigurationError(
            f"{part.name}: verify found {verify.failed:,} rows that are not as they should be: mend them, and "
            "verify again"
        )


def check_can_undo(checkpoints: Checkpoints, part: Part) -> None:
    """Refuse to undo what has no form to go back to.

    Raises:
        ConfigurationError: it has none any more, or never had.
    """
    backfill, finish = (checkpoints.find(step, part.name) for step in ("backfill", "finish"))
    if finish is not None and (backfill is None or backfill.began <= finish.began):
        raise ConfigurationError(f"{part.name}: the migration is finished, or about to be: there is no way back")
    for column in part.columns:
        accepted = column.type.accepted
        if column.plain is None and (accepted is None or not accepted.takes_plaintext()):
            raise ConfigurationError(
                f"{part.name}.{column.name} was encrypted in place, and accepts no plaintext to go back to: what "
                "is encrypted anew, or of another scheme, stays as it is"
            )
