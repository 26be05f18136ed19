"""What has to be so before a step that cannot be taken back, or takes something back."""

from __future__ import annotations

import time

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration.engine.journal import Journal
from fieldcrypt.migration.engine.source import Source

__all__ = ["check_can_undo", "check_verified"]


def check_verified(source: Source, journal: Journal) -> None:
    """Refuse to finish what `verify` has not found right since it was encrypted.

    Raises:
        ConfigurationError: it has not, or only what another declaration says.
    """
    backfill, verify = journal.find("backfill"), journal.find("verify")
    is_since = backfill is None or (verify is not None and verify.began >= (backfill.ended or time.time()))
    if verify is None or verify.ended is None or not is_since or verify.about != source.describe():
        raise ConfigurationError(f"{source.name}: verify all rows first, after the backfill is done")
    if verify.failed:
        raise ConfigurationError(
            f"{source.name}: verify found {verify.failed:,} rows that are not as they should be: mend them, and "
            "verify again"
        )


def check_can_undo(source: Source, journal: Journal) -> None:
    """Refuse to undo what has no form to go back to.

    Raises:
        ConfigurationError: it has none any more, or never had.
    """
    backfill, finish = journal.find("backfill"), journal.find("finish")
    if finish is not None and (backfill is None or backfill.began <= finish.began):
        raise ConfigurationError(f"{source.name}: the migration is finished, or about to be: there is no way back")
    for field in source.fields:
        if field.plain_name is None and not field.accepts_plaintext():
            raise ConfigurationError(
                f"{source.name}.{field.name} was encrypted in place, and accepts no plaintext to go back to: what is "
                "encrypted again, or of another scheme, stays as it is"
            )
    source.check_can_undo()
