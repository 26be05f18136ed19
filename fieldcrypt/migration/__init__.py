"""Migration from plaintext, or another scheme, to protected values, for all stores. See docs/migration.md."""

from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.job import CountsValues, MendsRows, Migration
from fieldcrypt.migration.reports import (
    MigrationPlan,
    MigrationStatus,
    StepReport,
    StepStatus,
    VerifyReport,
)
from fieldcrypt.migration.sample import Sample
from fieldcrypt.mixed_mode import ExaminedValue, PreviousField, ValueStatus
from fieldcrypt.progress import Progress

__all__ = [
    "CountsValues",
    "Failures",
    "ExaminedValue",
    "PreviousField",
    "ValueStatus",
    "MendsRows",
    "Migration",
    "MigrationError",
    "MigrationPlan",
    "MigrationStatus",
    "Progress",
    "Sample",
    "StepReport",
    "StepStatus",
    "VerifyReport",
]
