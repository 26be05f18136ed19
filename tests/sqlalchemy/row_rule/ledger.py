"""What has been written, and the check that the database holds just that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, LargeBinary, delete, event, select, type_coerce
from sqlalchemy.orm import Session

from fieldcrypt import FieldcryptError, Protection, row_context
from fieldcrypt_sqlalchemy import of_tenant
from tests.sqlalchemy.row_rule.models import DEFAULTS, ENCRYPTOR, INDEXES, MARK, PROTECTED, Shape, number_of, text_of

__all__ = ["RowRuleError", "Ledger"]

Key = tuple[Any, ...]
_WRITES = ("INSERT", "UPDATE", "DELETE")


class RowRuleError(AssertionError):
    """The row rule does not hold."""


class Ledger:
    """Numbers the writes to one table, reads along what the driver is given, and checks the rows.

    Args:
        shape: the model.
        engine: the database, whose tables are emptied.
        defaults: whether defaults have to be given plaintext.
    """

    def __init__(self, shape: Shape, engine: Engine, *, defaults: bool) -> None:
        self.shape = shape
        self._defaults = defaults
        self.writers: list[str] = ["nobody"]  # by the number of a write
        self.left_out: set[int] = set()  # by new objects, which may take the place of others and leave theirs
        self.sent: list[str] = []  # statements that write, since somebody last looked
        self.since: list[str] = []  # what was done since the last check
        self._engine = engine
        self._rows: dict[Key, Mapping[str, Any]] = {}
        self._emails: dict[Key, str | None] = {}
        self._leaks: list[str] = []
        names = [*shape.key_names, "clinic", "name", "handle", *(f"{name}_no" for name in PROTECTED)]
        raw = [type_coerce(shape.column(name), LargeBinary).label(name) for name in (*PROTECTED, "email_tag")]
        source: Any = shape.model.__mapper__.persist_selectable
        self._dump = select(*(shape.column(name).label(name) for name in names), *raw).select_from(source)
        with engine.begin() as connection:
            for table in shape.tables:
                connection.execute(delete(table))
        self._hooks = {"do_execute": self._note, "do_executemany": self._note_many}
        for name, hook in self._hooks.items():
            event.listen(engine, name, hook)
        DEFAULTS.misread.clear()

    def close(self) -> None:
        for name, hook in self._hooks.items():
            event.remove(self._engine, name, hook)

    def number(self, writer: str) -> int:
        """Return the number of a new write."""
        self.writers.append(writer)
        return len(self.writers) - 1

    def dump(self) -> dict[Key, Mapping[str, Any]]:
        """Return the committed rows by their keys, with the ciphertext."""
        with self._engine.connect() as connection:
            rows = connection.execute(self._dump).mappings().all()
        return {tuple(row[name] for name in self.shape.key_names): dict(row) for row in rows}

    def check(self) -> None:
        """Read every row that has changed since the last check.

        Raises:
            RowRuleError: a value cannot be read, is not the last one that was written, or is not found by its tag; or
                plaintext was sent.
        """
        self.check_sent()
        rows = self.dump()
        changed = {key for key, row in rows.items() if self._rows.get(key) != row}
        self._emails = {key: email for key, email in self._emails.items() if key in rows}
        if changed:
            with Session(self._engine) as session:
                self._check_rows(session, rows, changed)
                for key in changed:
                    self._check_search(session, key, rows[key]["clinic"], rows[key]["email_tag"])
        self._rows = rows
        self.since.clear()

    def check_unchanged(self) -> None:
        """Raise RowRuleError if the rows are others than at the last check, as after a rollback."""
        self.check_sent()
        if self.dump() != self._rows:
            raise RowRuleError(f"what was refused or rolled back has changed rows, after {self.since}")
        self.since.clear()

    def check_sent(self) -> None:
        """Raise RowRuleError if plaintext was sent, or withheld from a default."""
        if self._leaks:
            raise RowRuleError(f"plaintext was sent: {self._leaks[0]}")
        if DEFAULTS.misread and self._defaults:
            raise RowRuleError(f"a default was given something else than plaintext: {DEFAULTS.misread[0]}")

    def _check_rows(self, session: Session, rows: Mapping[Key, Mapping[str, Any]], changed: set[Key]) -> None:
        for instance in session.scalars(select(self.shape.model)):
            key = tuple(getattr(instance, name) for name in self.shape.key_names)
            if key not in changed:
                continue
            for name in PROTECTED:
                number = rows[key][f"{name}_no"]
                where = f"{name} of row {key} of {rows[key]['clinic']}, after {self.since}"
                try:
                    value = getattr(instance, name)
                except FieldcryptError as error:
                    raise RowRuleError(f"{type(error).__name__}: {where}: written by {self._writer(number)}") from None
                if number not in self.left_out and number_of(value) != number_of(text_of(number)):
                    raise RowRuleError(f"{where}: {value!r}, but {self._writer(number)} wrote {text_of(number)!r}")
                if name == "email":
                    self._emails[key] = value
            if self.shape.compounds:
                self._check_companions(instance)

    def _check_companions(self, instance: Any) -> None:
        """Compare all companions of a row with what the core makes of its values."""
        where: dict[str, Any] = {"tenant": instance.clinic, "row": row_context(instance.id)}
        expected = Protection(str, index=INDEXES).field_indexes(ENCRYPTOR, "indexed.email", str)
        tags = expected.tags(instance.email, **where)
        for compound in self.shape.compounds:
            members = {name: getattr(instance, name) for name in compound.of}
            made = compound.indexes(ENCRYPTOR, "indexed", dict.fromkeys(members, str))
            tags |= made.tags(members, **where)
        wrong = [name for name, tag in tags.items() if getattr(instance, name) != tag]
        if wrong:
            raise RowRuleError(f"{wrong} of {instance.id!r} are not the tags of its values, after {self.since}")

    def _check_search(self, session: Session, key: Key, tenant: str, tag: bytes | None) -> None:
        value, model = self._emails[key], self.shape.model
        if value is None:
            if tag is not None:
                raise RowRuleError(f"the email of {key} is None, and has a tag, after {self.since}")
            return
        column = of_tenant(model.email, tenant) if self.shape.per_tenant else model.email
        found = session.execute(select(*(getattr(model, name) for name in self.shape.key_names)).where(column == value))
        keys = {tuple(row) for row in found}
        others = {other for other, email in self._emails.items() if email == value}
        if self.shape.per_tenant:  # which finds rows of this tenant alone
            others = {other for other in others if other in keys or other == key}
        if keys != others:
            raise RowRuleError(f"{value!r} is the email of {others}, but finds {keys}, after {self.since}")

    def _writer(self, number: int | None) -> str:
        return "nobody" if number is None else self.writers[abs(number)]

    def _note(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if statement.lstrip().startswith(_WRITES):
            self.sent.append(statement)
        if MARK in repr(parameters) or MARK in statement:
            self._leaks.append(statement)

    def _note_many(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        self._note(cursor, statement, parameters, context)
