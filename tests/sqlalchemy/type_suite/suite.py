"""Where pytest finds SQLAlchemy's tests of types."""

from sqlalchemy.testing.suite.test_types import *  # noqa: F403
