"""What SQLAlchemy's tests may take for granted of a database: all that those of types ask for."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

__all__ = ["Everything"]


class Everything(SuiteRequirements):
    """Leaves no test out: encrypted, a type works on databases that do not have it.

    A requirement that a test only asks about (`.enabled`), to do one thing or another, stays as it is.
    """

    @property
    def schemas(self) -> exclusions.compound:
        """There is one schema, as far as dropping tables goes."""
        return exclusions.closed()  # type: ignore[no-any-return, no-untyped-call]


def _required() -> list[str]:
    """Return the names of the requirements in the tests' source, which cannot be imported yet."""
    package = importlib.util.find_spec("sqlalchemy.testing")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).with_name("suite") / "test_types.py"
    found = re.findall(r"(?:\brequire\w+\.|\")(\w+)\b(?!\.enabled)", source.read_text(encoding="utf-8"))
    return sorted(name for name in set(found) if isinstance(getattr(SuiteRequirements, name, None), property))


for _name in _required():
    setattr(Everything, _name, property(lambda _: exclusions.open()))  # type: ignore[no-untyped-call]
