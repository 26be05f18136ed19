"""All that fieldcrypt hooks into SQLAlchemy, on one page.

None of it listens to the connections of the process (`ConnectionEvents`): that makes each statement half as slow again.
What objects of a mapped class do is listened to on that class alone, where it is mapped (`flush.py`, `stale_tags.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Engine,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    UniqueConstraint,
    event,
)
from sqlalchemy.orm import Mapper, Session

from fieldcrypt_sqlalchemy.column.declaration import bind_to_table, refuse_constraint, refuse_discriminator
from fieldcrypt_sqlalchemy.column.mutable import track_types_inside
from fieldcrypt_sqlalchemy.errors import hide_unprocessed_parameters
from fieldcrypt_sqlalchemy.flush.flush import restore_flushed
from fieldcrypt_sqlalchemy.flush.moves import forget_rows
from fieldcrypt_sqlalchemy.flush.stale_tags import follow_objects
from fieldcrypt_sqlalchemy.guard.examined import EXAMINED
from fieldcrypt_sqlalchemy.guard.execution import check, on_execute, on_execute_no_params, on_executemany
from fieldcrypt_sqlalchemy.guard.preparation import execute
from fieldcrypt_sqlalchemy.guard.self_check import check_guard
from fieldcrypt_sqlalchemy.internals.orm import restore_order
from fieldcrypt_sqlalchemy.internals.wrapping import note_what_the_orm_makes, wrap_contexts, wrap_writes
from fieldcrypt_sqlalchemy.model.checks import check_pairs, warn_if_nothing_protected
from fieldcrypt_sqlalchemy.model.decorator import bind_new
from fieldcrypt_sqlalchemy.model.representation import hide_protected

__all__: list[str] = []

# Declarations
event.listen(Column, "after_parent_attach", bind_to_table)
for constraint in (UniqueConstraint, PrimaryKeyConstraint, ForeignKeyConstraint):
    event.listen(constraint, "after_parent_attach", refuse_constraint)
event.listen(Mapper, "after_mapper_constructed", refuse_discriminator)
event.listen(Mapper, "after_mapper_constructed", bind_new)
event.listen(Mapper, "after_mapper_constructed", follow_objects)
event.listen(Mapper, "mapper_configured", track_types_inside)
event.listen(Mapper, "mapper_configured", check_pairs)
event.listen(Mapper, "mapper_configured", hide_protected)
event.listen(Mapper, "mapper_configured", warn_if_nothing_protected)

# Flushes: values are sealed after everybody else's listeners have seen and set them
event.listen(Session, "before_flush", restore_order)
for moment in ("before_flush", "after_flush", "after_soft_rollback"):
    event.listen(Session, moment, forget_rows)
for moment in ("after_flush", "after_soft_rollback"):
    event.listen(Session, moment, restore_flushed)

# Statements: before they are compiled, before they are logged, and right before the driver has them. The last ones come
# first among listeners, because one that returns True ends the row. They are of the dialects: of all engines.
wrap_writes(execute)
note_what_the_orm_makes()
wrap_contexts(check, EXAMINED)
event.listen(Engine, "do_execute", on_execute, insert=True)
event.listen(Engine, "do_execute_no_params", on_execute_no_params, insert=True)
event.listen(Engine, "do_executemany", on_executemany, insert=True)
event.listen(Engine, "handle_error", hide_unprocessed_parameters)

check_guard()
