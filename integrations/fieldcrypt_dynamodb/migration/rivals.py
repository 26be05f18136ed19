"""Who must not be at work at the same time: at another step that writes, or in another region."""

from __future__ import annotations

from fieldcrypt import ConfigurationError
from fieldcrypt.migration.engine.journal import WRITING, at_work, rivals
from fieldcrypt_dynamodb.migration import entries
from fieldcrypt_dynamodb.migration.entries import Entries

__all__ = ["refuse_rivals"]


def refuse_rivals(found: Entries, name: str, step: str, region: str, *, restart: bool = False) -> None:
    """Refuse a step while somebody is at work at what must not be done at the same time.

    Args:
        found: all that is written down about the migration.
        name: the migration's.
        step, region: what is to be done, and where.
        restart: it is to be begun again, so that nobody may be at work at the step itself.

    Raises:
        ConfigurationError: somebody is.
    """
    elsewhere = set()
    if step in WRITING:
        elsewhere = {each for each, entry in found.runs.items() if each in WRITING and entry.region != region}
    for each in sorted(elsewhere):
        if found.runs[each].is_held():
            raise ConfigurationError(
                f"{name}: the {each} is being done in {found.runs[each].region}, and one region writes to a global "
                f"table: pause it there, or wait until nothing was heard of it for {entries.LEASE:.0f} seconds"
            )
    not_meanwhile = rivals(step) | elsewhere | ({step} if restart else set())
    for segment in found.segments:
        if segment.step in not_meanwhile and not segment.is_finished and not segment.is_free():
            raise at_work(name, segment.step, str(segment.worker), entries.LEASE)
