"""Models of every shape that the row rule holds for, with the same attributes.

Beside each protected column stands a plain one with the number of the write that its value came with. Whatever a
statement does to a row, it does to both, so the database itself says what a row must hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.search import Prefixes, last
from fieldcrypt_sqlalchemy import CompoundIndex, Encrypted, IndexedBy, Sealed, blind_index, encrypted

ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

MARK = "SECRET"  # begins every plaintext
PROTECTED = ("ssn", "email", "note")
LABELS = ("a", "b", "A", "a ")  # of rows; a database that folds case and blanks takes three of them for one key
TENANTS = ("c1", "c2", "c3", "C1")
COMPOSITE: Mapping[str, tuple[str, str]] = {"a": ("a", "1"), "b": ("b", "1"), "A": ("a", "2"), "a ": ("A", "1")}


def text_of(number: int | None) -> str | None:
    """Return the value that a write brought; those with negative numbers brought None."""
    if number is None or number < 0:
        return None
    return f"{MARK}{number}" + " " * (number % 5 == 0)


def number_of(value: Any) -> int | None:
    """Return the number of the write that brought a value."""
    return None if value is None else int(value.strip().removeprefix(MARK))


@dataclass
class Defaults:
    """What the context-sensitive default and onupdate of the models were given that is no plaintext."""

    from_statement: bool = False  # whose parameters are sealed, as its author gave them
    isolate: bool = True  # the rows of an INSERT of several; SQLAlchemy's ORM cannot
    misread: list[str] = field(default_factory=list)


DEFAULTS = Defaults()


def _read(context: Any) -> int | None:
    """Read a protected value of the row that is written, as a default for a slug or initials does."""
    for name in ("ssn", "email"):
        value = context.get_current_parameters(isolate_multiinsert_groups=DEFAULTS.isolate).get(name)
        if value.__class__ is str and value.startswith(MARK):
            return number_of(value)
        if value is not None and not (DEFAULTS.from_statement and value.__class__ is Sealed):
            DEFAULTS.misread.append(f"{name}: {value!r}")
    return None


class Named:
    """What identifies a row, and what is plain in it."""

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    clinic: Mapped[str] = mapped_column(String(20))
    name: Mapped[str | None] = mapped_column(String(20))
    handle: Mapped[str | None] = mapped_column(String(20), unique=True)
    read: Mapped[int | None] = mapped_column(default=_read, onupdate=_read)


class WithSsn:
    """A protected column that is never NULL."""

    ssn: Mapped[str] = mapped_column(Encrypted(String, ENCRYPTOR))
    ssn_no: Mapped[int]


class WithNote:
    """A protected column that may be."""

    note: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR))
    note_no: Mapped[int | None]


class WithEmail:
    """A searchable one."""

    email: Mapped[str | None] = mapped_column(Encrypted(String, ENCRYPTOR, index="email_tag"))
    email_tag: Mapped[bytes | None] = blind_index()
    email_no: Mapped[int | None]


class Base(DeclarativeBase):
    pass


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class Bound(WithSsn, WithEmail, WithNote, Named, Base):
    __tablename__ = "bound"


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class PerTenant(WithSsn, WithNote, Named, Base):
    __tablename__ = "per_tenant"
    email: Mapped[str | None] = mapped_column(Encrypted(String, index=IndexedBy("email_tag", per_tenant=True)))
    email_tag: Mapped[bytes | None] = blind_index()
    email_no: Mapped[int | None]


@encrypted(ENCRYPTOR, row=("id", "part"), tenant="clinic")
class Composite(WithSsn, WithEmail, WithNote, Named, Base):
    __tablename__ = "composite"
    part: Mapped[str] = mapped_column(String(20), primary_key=True)


INDEXES = (
    IndexedBy("email_tag"),
    IndexedBy("email_starts", of=Prefixes(7, 9), accept_leakage=True),
    IndexedBy("email_end", of=last(2), per_tenant=True, partitions=3, accept_leakage=True),
)
COMPOUNDS = (
    CompoundIndex("handle_tag", of={"email": "casefold", "handle": None}, per_tenant=True),
    CompoundIndex("both_tag", of={"ssn": last(2), "note": None}, partitions=2),
)


@encrypted(ENCRYPTOR, row="id", tenant="clinic", indexes=COMPOUNDS)
class Indexed(WithSsn, WithNote, Named, Base):
    __tablename__ = "indexed"
    email: Mapped[str | None] = mapped_column(Encrypted(String, index=INDEXES))
    email_no: Mapped[int | None]
    email_tag: Mapped[bytes | None] = blind_index()
    email_starts_7: Mapped[bytes | None] = blind_index()
    email_starts_8: Mapped[bytes | None] = blind_index()
    email_starts_9: Mapped[bytes | None] = blind_index()
    email_end: Mapped[bytes | None] = blind_index()
    handle_tag: Mapped[bytes | None] = blind_index(unique=True)
    both_tag: Mapped[bytes | None] = blind_index()


class Undecorated(WithSsn, WithEmail, WithNote, Named, Base):
    __tablename__ = "undecorated"


@encrypted(ENCRYPTOR, row="id", tenant="clinic")
class Person(WithSsn, Named, Base):
    __tablename__ = "people"
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {  # noqa: RUF012 (as SQLAlchemy declares it)
        "polymorphic_on": "kind",
        "polymorphic_identity": "person",
        "passive_updates": False,
    }


class Nurse(WithEmail, WithNote, Person):
    __tablename__ = "nurses"
    id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "nurse"}  # noqa: RUF012 (as SQLAlchemy declares it)


@dataclass(frozen=True)
class Shape:
    """A model, and what is special about it.

    Attributes:
        model: its objects have all attributes.
        decorated: its values are bound to rows.
        per_tenant: so are its tags, to tenants.
        compounds: its indexes of several members.
    """

    model: Any
    decorated: bool = True
    per_tenant: bool = False
    compounds: tuple[CompoundIndex, ...] = ()

    @property
    def joined(self) -> bool:
        """Whether a row is spread over two tables."""
        return len(self.tables) > 1

    @property
    def metadata(self) -> MetaData:
        metadata: MetaData = self.model.metadata
        return metadata

    @property
    def entities(self) -> list[Any]:
        """The model, and the one that it inherits from, if any."""
        return [mapper.class_ for mapper in self.model.__mapper__.iterate_to_root()]

    @property
    def tables(self) -> list[Table]:
        """Its tables, that of the base last."""
        return [entity.__table__ for entity in self.entities]

    @property
    def key_names(self) -> tuple[str, ...]:
        return ("id", "part") if self.model is Composite else ("id",)

    def key(self, label: str) -> dict[str, str]:
        """Return the key of the row with a label, by attributes."""
        parts = COMPOSITE[label] if self.model is Composite else (label,)
        return dict(zip(self.key_names, parts, strict=True))

    def identity(self, label: str) -> Any:
        """Return the key as `Session.get` takes it."""
        key = tuple(self.key(label).values())
        return key if len(key) > 1 else key[0]

    def column(self, name: str) -> Column[Any]:
        """Return the column of an attribute, that of the base where there are two."""
        column: Column[Any] = next(table.c[name] for table in reversed(self.tables) if name in table.c)
        return column


SHAPES = {
    "bound": Shape(Bound),
    "per_tenant": Shape(PerTenant, per_tenant=True),
    "composite": Shape(Composite),
    "indexed": Shape(Indexed, compounds=COMPOUNDS),
    "undecorated": Shape(Undecorated, decorated=False),
    "joined": Shape(Nurse),
}
