"""A plugin of Alembic's autogenerate: it drops no data keys, and writes encrypted columns as the database sees them.

Alembic loads it by its entry point whenever it is imported itself: also in programs without a column of fieldcrypt, and
while Alembic is only half imported. So everything else is imported when a migration is generated.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin
    from alembic.util import PriorityDispatchResult

__all__ = ["NAME", "setup"]

NAME = "alembic.autogenerate.fieldcrypt"  # under Alembic's own name, for it leaves others out unless env.py names them


def setup(plugin: Plugin) -> None:
    """Have Alembic call fieldcrypt when it has compared everything else."""
    from alembic.util import DispatchPriority

    plugin.add_autogenerate_comparator(_compare, "autogenerate", "fieldcrypt", priority=DispatchPriority.LAST)


def _compare(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    from alembic.util import PriorityDispatchResult

    from fieldcrypt_alembic.operations import keep_tables
    from fieldcrypt_alembic.rendering import render_as_binary

    render_as_binary(autogen_context)
    keep_tables(autogen_context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE


class _Plugin(ModuleType):
    """This module, as a collection of itself: Alembic before 1.20.1 iterates over what the entry point names."""

    def __iter__(self) -> Iterator[Self]:
        yield self


sys.modules[__name__].__class__ = _Plugin
