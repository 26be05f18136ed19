"""The state machine of a migration, for stores: one brings a `Source` and a `Journal`, and gets a `StoredMigration`."""

from fieldcrypt.migration.engine.backfill import Backfill
from fieldcrypt.migration.engine.compound import CompoundField, PlainMember
from fieldcrypt.migration.engine.defects import Verification, is_stop, patiently
from fieldcrypt.migration.engine.digest import about, name_of
from fieldcrypt.migration.engine.erasure import Drop, ErasedTags
from fieldcrypt.migration.engine.journal import (
    WRITING,
    Counts,
    Journal,
    LostPortionError,
    Nothing,
    Portion,
    Run,
    at_work_error,
    is_free,
    rivals,
)
from fieldcrypt.migration.engine.migration import StoredMigration
from fieldcrypt.migration.engine.runner import Look, Part
from fieldcrypt.migration.engine.source import Batch, Counted, Page, RefusedError, Source, Which, Written
from fieldcrypt.migration.engine.steps import Step
from fieldcrypt.migration.engine.tags import described_index, tags_of
from fieldcrypt.migration.engine.unit import (
    Cell,
    Change,
    MarkedError,
    PassedOverError,
    Place,
    ProtectedField,
    Unit,
    UnitError,
    UnreadableUnit,
    UntaggedError,
    is_exactly,
    redacted_error,
)
from fieldcrypt.migration.examination import Examination
from fieldcrypt.migration.reports import Key, format_key
from fieldcrypt.migration.workers import Pace
from fieldcrypt.progress import Meter

__all__ = [
    # what is migrated
    "Source",
    "Unit",
    "UnreadableUnit",
    "ProtectedField",
    "Place",
    "Cell",
    "Change",
    "Examination",
    "is_exactly",
    "CompoundField",
    "ErasedTags",
    "PlainMember",
    "tags_of",
    "described_index",
    # how it is read and written
    "Which",
    "Page",
    "Counted",
    "Batch",
    "Written",
    "Pace",
    "RefusedError",
    "UnitError",
    "UntaggedError",
    "MarkedError",
    "PassedOverError",
    "patiently",
    "is_stop",
    "redacted_error",
    # what is kept of it
    "Journal",
    "Run",
    "Portion",
    "Counts",
    "Nothing",
    "LostPortionError",
    "WRITING",
    "rivals",
    "is_free",
    "at_work_error",
    "about",
    "name_of",
    # what runs it
    "StoredMigration",
    "Part",
    "Step",
    "Look",
    "Verification",
    "Meter",
    "Backfill",
    "Drop",
    # what is reported
    "Key",
    "format_key",
]
