"""The companion columns of a searchable column: tags, and nothing else."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause, ColumnElement, Null
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import MAX_TAG_SIZE, discreet
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.internals.column import is_untyped

__all__ = ["NO_TAG", "BlindIndexTag", "Tag", "Tags", "blind_index", "only_tags_error"]


class Tag(bytes):
    """A blind index tag. The companion column takes nothing else, so that no plaintext gets there."""

    __slots__ = ()


Tag.__module__ = "fieldcrypt_sqlalchemy.companion"  # what pickles call it, as in 0.1


class Tags(tuple[Tag, ...]):
    """The tags that a value has at all levels of an index, for a companion that is an array."""

    __slots__ = ()


NO_TAG = Tag()  # which no value has: for searching where there is nothing to find


class _TagComparator(TypeDecorator.Comparator[Any]):
    """Compares tags with tags only: to compare a companion with a value is a mistake for the searchable column."""

    @discreet
    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        # So SQLAlchemy looks columns up in lists. As a condition it is refused where it is rendered.
        is_lookup = op is operators.eq and isinstance(other[0], ColumnClause) and not other[0].is_literal
        if not is_lookup and not all(map(_may_meet_tags, other)):
            raise only_tags_error(self.expr)
        return super().operate(op, *other, **kwargs)

    @discreet
    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise only_tags_error(self.expr)

    @discreet
    def equals(self, **values: Any) -> ColumnElement[bool]:
        """Return the condition that all attributes of a `CompoundIndex` have these values; called on its companion.

            Patient.who_tag.equals(surname="Meyer", born=date(1980, 1, 1))

        Args:
            values: by attribute, for each that the index is of; whole values, even where it is of a part.

        Raises:
            ProtectedColumnError: the column has no such index's tags, or not all attributes, or no tenant, are named.
            TypeError, ValueError: a value is not one of its attribute's.
        """
        compound: Any = getattr(self.expr.type, "compound", None)
        if compound is None:
            raise ProtectedColumnError(
                f"{self.expr} is the blind index column of no CompoundIndex: compare the encrypted column, or declare "
                "one, @encrypted(…, indexes=[CompoundIndex(…)])"
            )
        return compound.equals(self.expr, values)  # type: ignore[no-any-return]


def _may_meet_tags(other: Any) -> bool:
    if hasattr(other, "__clause_element__"):
        other = other.__clause_element__()
    if isinstance(other, (Null, SelectBase)):
        return True
    if isinstance(other, BindParameter) and is_untyped(other.type):
        return True  # which gets the type of tags, and takes nothing else
    if isinstance(other, ClauseElement):
        return isinstance(getattr(other, "type", None), BlindIndexTag)
    if isinstance(other, (list, tuple, set, frozenset)):  # such as Tags
        return all(map(_may_meet_tags, other))
    return other is None or isinstance(other, Tag)


def only_tags_error(column: Any = None) -> ProtectedColumnError:
    """Return the error of tags that meet, or are, something else."""
    which = "a blind index column" if column is None else f"the blind index column {column}"
    return ProtectedColumnError(f"{which} takes only what fieldcrypt puts there: set, or compare, the encrypted column")


class BlindIndexTag(TypeDecorator[Any]):
    """The type of a companion column: short binary, which every database can index.

    Args:
        array: True for an array of tags, those of all levels of an index with `one_companion=True`. On PostgreSQL
            only; with `index=True` the column gets a GIN index.
    """

    impl: Any = LargeBinary
    cache_ok = True
    comparator_factory: Any = _TagComparator

    array = False  # also for types that were pickled before there were arrays
    column: str | None = None  # the name, for messages, once it has joined a table
    compound: Any = None  # the compound index of a decorated model, if the tags are those of one

    def __init__(self, array: bool = False) -> None:
        super().__init__()
        self.array = array
        if array:
            self.impl = postgresql.ARRAY(postgresql.BYTEA())

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a database: a short one where long binary cannot be indexed.

        Raises:
            ConfigurationError: the database has no arrays.
        """
        if self.array:
            if dialect.name not in ("postgresql", "default"):
                raise ConfigurationError(
                    f"{self.column or 'the companion'} is an array of tags, which PostgreSQL alone can search: declare "
                    "the index without one_companion=True, and one blind_index() for each of its companions"
                )
            return dialect.type_descriptor(self.impl)
        if dialect.name in ("mysql", "mariadb", "mssql"):
            return dialect.type_descriptor(types.VARBINARY(MAX_TAG_SIZE))
        if dialect.name == "oracle":
            from sqlalchemy.dialects.oracle import RAW  # here, for those who use another database

            return RAW(MAX_TAG_SIZE)
        return super().load_dialect_impl(dialect)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what lets tags through to the driver."""
        to_driver = self.impl_instance.bind_processor(dialect)
        kind: Any = Tags if self.array else Tag

        def process(value: Any) -> Any:
            if value is None:
                return None
            if value.__class__ is not kind:
                raise only_tags_error(self.column)
            plain: Any = [bytes(tag) for tag in value] if self.array else bytes(value)
            return plain if to_driver is None else to_driver(plain)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what makes a tag of what came from the driver."""

        def process(value: Any) -> Any:
            if value is None:
                return None
            if self.array:
                return Tags(NO_TAG if tag is None else Tag(tag) for tag in value)
            # SQLite lets anyone put anything into a column.
            return Tag(value) if isinstance(value, (bytes, bytearray, memoryview)) else NO_TAG

        return process

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "compound": None}  # it belongs to the model, and not to a copy of its table

    def literal_processor(self, dialect: Dialect) -> Any:
        """Refuse to render a tag into SQL text, which depends on keys."""
        raise CompileError("a blind index tag cannot be rendered as a literal")


def blind_index(
    *,
    unique: bool = False,
    index: bool = True,
    array: bool = False,
    init: bool | None = None,
    repr: bool | None = None,
    compare: bool | None = None,
) -> MappedColumn[Any]:
    """Return a companion column of a searchable column, which fieldcrypt fills.

        email: Mapped[str] = mapped_column(Encrypted(String, index="email_tag"))
        email_tag: Mapped[bytes | None] = blind_index()

    An index with several levels has a companion for each (`IndexedBy.companions`), or one that is an array. A Core
    table has it as `Column("email_tag", BlindIndexTag(), index=True)`.

    Args:
        unique: let the database refuse a second row with the same value. While index keys are being rotated it can
            only tell those that were tagged under the same key, until a `Migration` has tagged all rows again. Not for
            short tags, partitions or arrays.
        index: have the database index the column; not needed if it is unique. An array gets a GIN index.
        array: make it an array of tags, on PostgreSQL, for an index with `one_companion=True`.
        init, repr, compare: for mapped dataclasses, as for `mapped_column`.
    """
    options = {"init": init, "repr": repr, "compare": compare}
    column: MappedColumn[Any] = mapped_column(
        BlindIndexTag(array),
        unique=unique or None,
        index=(index and not unique) or None,
        nullable=True,
        **{name: value for name, value in options.items() if value is not None},  # type: ignore[arg-type]
    )
    return column
