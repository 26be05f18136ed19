"""From plaintext, or another scheme, to protected values: what all stores have in common. See docs/migration.md."""

from fieldcrypt.errors import MigrationError
from fieldcrypt.migration.accepted import Accepted
from fieldcrypt.migration.examination import Examination, Finding
from fieldcrypt.migration.failures import Failures
from fieldcrypt.migration.former_field import FormerField, is_envelope
from fieldcrypt.migration.job import CountsValues, MendsRows, Migration
from fieldcrypt.migration.kind import Kind
from fieldcrypt.migration.mixed_field import MixedField
from fieldcrypt.migration.pace import Pace
from fieldcrypt.migration.progress import Meter, Progress
from fieldcrypt.migration.reports import (
    MAX_FAILURES,
    MigrationPlan,
    MigrationStatus,
    StepReport,
    StepStatus,
    VerifyReport,
)
from fieldcrypt.migration.sample import Sample
from fieldcrypt.migration.together import work_together
from fieldcrypt.migration.worker_name import is_dead, worker_name

__all__ = [
    "MAX_FAILURES",
    "Accepted",
    "CountsValues",
    "Examination",
    "Failures",
    "Finding",
    "FormerField",
    "Kind",
    "MendsRows",
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
