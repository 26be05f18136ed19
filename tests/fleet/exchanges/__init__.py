"""What two versions do in turn, by the names that the table in docs/guides/upgrading.md has for it.

The version that writes takes the first step, the other one the second, and so on. Each step gets what the one before
it has returned. If the last one returns a text, that is the outcome, and not "yes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.fleet.exchanges import items, keys, migrations, pickles, rows
from tests.fleet.exchanges.site import Site

__all__ = ["AT_ONCE", "IN_ANY_KEY_STORE", "STEPS", "Step"]

Step = Callable[[Site, Any], Any]

AT_ONCE: frozenset[str] = frozenset(keys.AT_ONCE)
IN_ANY_KEY_STORE: frozenset[str] = AT_ONCE | frozenset(keys.STEPS)
STEPS: Mapping[str, Sequence[Step]] = {
    **keys.STEPS,
    **keys.AT_ONCE,
    **rows.STEPS,
    **items.STEPS,
    **migrations.STEPS,
    **pickles.STEPS,
}
