"""The companion column of a searchable column: tags, and nothing else."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary, types
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause, Null
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt.spi import MAX_TAG_SIZE
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.internals.column import is_untyped

__all__ = ["NO_TAG", "BlindIndexTag", "Tag", "blind_index", "only_tags_error"]


class Tag(bytes):
    """A blind index tag. The companion column takes nothing else, so that no plaintext gets there."""

    __slots__ = ()


Tag.__module__ = "fieldcrypt_sqlalchemy.companion"  # what pickles call it, as in 0.1
NO_TAG = Tag()  # which no value has: for searching where there is nothing to find


class _TagComparator(TypeDecorator.Comparator[Any]):
    """Compares tags with tags only: to compare a companion with a value is a mistake for the searchable column."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        # So SQLAlchemy looks columns up in lists. As a condition it is refused where it is rendered.
        is_lookup = op is operators.eq and isinstance(other[0], ColumnClause) and not other[0].is_literal
        if not is_lookup and not all(map(_may_meet_tags, other)):
            raise only_tags_error(self.expr)
        return super().operate(op, *other, **kwargs)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise only_tags_error(self.expr)


def _may_meet_tags(other: Any) -> bool:
    if hasattr(other, "__clause_element__"):
        other = other.__clause_element__()
    if isinstance(other, (Null, SelectBase)):
        return True
    if isinstance(other, BindParameter) and is_untyped(other.type):
        return True  # which gets the type of tags, and takes nothing else
    if isinstance(other, ClauseElement):
        return isinstance(getattr(other, "type", None), BlindIndexTag)
    if isinstance(other, (list, tuple, set, frozenset)):
        return all(map(_may_meet_tags, other))
    return other is None or isinstance(other, Tag)


def only_tags_error(column: Any = None) -> ProtectedColumnError:
    """Return the error of tags that meet, or are, something else."""
    which = "a blind index column" if column is None else f"the blind index column {column}"
    return ProtectedColumnError(f"{which} takes only what fieldcrypt puts there: set, or compare, the encrypted column")


class BlindIndexTag(TypeDecorator[bytes]):
    """The type of a companion column: short binary, which every database can index."""

    impl = LargeBinary
    cache_ok = True
    comparator_factory: Any = _TagComparator

    column: str | None = None  # the name, for messages, once it has joined a table

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a database: a short one where long binary cannot be indexed."""
        if dialect.name in ("mysql", "mariadb", "mssql"):
            return dialect.type_descriptor(types.VARBINARY(MAX_TAG_SIZE))
        if dialect.name == "oracle":
            from sqlalchemy.dialects.oracle import RAW  # here, for those who use another database

            return RAW(MAX_TAG_SIZE)
        return super().load_dialect_impl(dialect)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what lets tags through to the driver."""
        to_driver = self.impl_instance.bind_processor(dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            if value.__class__ is not Tag:
                raise only_tags_error(self.column)
            return bytes(value) if to_driver is None else to_driver(bytes(value))

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what makes a tag of what came from the driver."""

        def process(value: Any) -> Any:
            if value is None:
                return None
            # SQLite lets anyone put anything into a column.
            return Tag(value) if isinstance(value, (bytes, bytearray, memoryview)) else NO_TAG

        return process

    def literal_processor(self, dialect: Dialect) -> Any:
        """Refuse to render a tag into SQL text, which depends on keys."""
        raise CompileError("a blind index tag cannot be rendered as a literal")


def blind_index(
    *,
    unique: bool = False,
    index: bool = True,
    init: bool | None = None,
    repr: bool | None = None,
    compare: bool | None = None,
) -> MappedColumn[Any]:
    """Return the companion column of a searchable column, which fieldcrypt fills.

        email: Mapped[str] = mapped_column(Encrypted(String, index="email_tag"))
        email_tag: Mapped[bytes | None] = blind_index()

    A Core table has it as `Column("email_tag", BlindIndexTag(), index=True)`.

    Args:
        unique: let the database refuse a second row with the same value. While index keys are being rotated it can
            only tell those that were tagged under the same key, until a `Migration` has tagged all rows again.
        index: have the database index the column; no need of it if it is unique.
        init, repr, compare: for mapped dataclasses, as for `mapped_column`.
    """
    options = {"init": init, "repr": repr, "compare": compare}
    column: MappedColumn[Any] = mapped_column(
        BlindIndexTag(),
        unique=unique or None,
        index=(index and not unique) or None,
        nullable=True,
        **{name: value for name, value in options.items() if value is not None},  # type: ignore[arg-type]
    )
    return column
