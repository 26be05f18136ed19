"""From plaintext, or another scheme, to protected values: what all stores have in common. See docs/migration.md."""

from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.examination import Examination
from fieldcrypt.migration.job import CountsValues, Migration
from fieldcrypt.migration.progress import Failures, Meter, Progress
from fieldcrypt.migration.reports import (
    MAX_FAILURES,
    MigrationPlan,
    MigrationStatus,
    StepReport,
    StepStatus,
    VerifyReport,
)
from fieldcrypt.migration.sample import Sample
from fieldcrypt.migration.workers import Pace, is_dead, work_together, worker_name
from fieldcrypt.mixed_mode import Accepted, Finding, FormerField, Kind, MixedField, is_envelope

__all__ = [
    "MAX_FAILURES",
    "Accepted",
    "CountsValues",
    "Examination",
    "Failures",
    "Finding",
    "FormerField",
    "Kind",
    "Meter",
    "Migration",
    "MigrationError",
    "MigrationPlan",
    "MigrationStatus",
    "MixedField",
    "Pace",
    "Progress",
    "Sample",
    "StepReport",
    "StepStatus",
    "VerifyReport",
    "is_dead",
    "is_envelope",
    "work_together",
    "worker_name",
]
