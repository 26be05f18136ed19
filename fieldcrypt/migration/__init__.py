"""Migration from plaintext, or another scheme, to protected values, for all stores. See docs/guides/migration.md."""

from typing import TYPE_CHECKING

from fieldcrypt._moved import renamed
from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.job import CountsValues, DropsIndexes, MendsRows, Migration
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
    "DropsIndexes",
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

if not TYPE_CHECKING:
    __getattr__ = renamed(
        __name__,
        {
            "FormerField": "PreviousField",
            "Kind": "ValueStatus",
            "Finding": "ExaminedValue",
            **{name: f"fieldcrypt.spi.{name}" for name in ("Accepted", "MixedField", "is_envelope")},
            **{name: f"fieldcrypt.spi.migration.{name}" for name in ("Examination", "Pace")},
        },
    )
