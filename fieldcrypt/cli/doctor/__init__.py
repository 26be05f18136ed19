"""`fieldcrypt doctor`: checks that every region can really read the data."""

from fieldcrypt.cli.doctor.examination import examine
from fieldcrypt.health.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
