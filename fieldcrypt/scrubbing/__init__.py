"""Keeping plaintext and keys out of error trackers and logs. See docs/security/tracebacks.md.

fieldcrypt's own errors, log lines and frames hold none. What stands here is for those of others: SQLAlchemy, PynamoDB,
boto3, and the application.
"""

from fieldcrypt.scrubbing.logs import ScrubbingFilter
from fieldcrypt.scrubbing.sentry import Scrubber, scrub

__all__ = ["Scrubber", "ScrubbingFilter", "scrub"]
