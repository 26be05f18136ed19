"""`fieldcrypt doctor`: can every region really read the data?"""

from fieldcrypt.cli.doctor.examination import examine
from fieldcrypt.cli.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
