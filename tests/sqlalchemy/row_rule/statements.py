"""Rules for statements of the ORM and of Core, and for the bulk methods."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, func, insert, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from tests.sqlalchemy.row_rule.models import DEFAULTS, LABELS, PROTECTED, TENANTS
from tests.sqlalchemy.row_rule.scene import KEYS, OWNERS, SESSIONS, Scene, door

__all__ = ["Statements"]

ROWS = st.lists(st.tuples(KEYS, OWNERS), min_size=1, max_size=2, unique_by=lambda row: row[0])
CORE = st.booleans()
SETS = st.lists(st.sampled_from(PROTECTED), unique=True, max_size=3).map(tuple)
MOVES = st.sampled_from([None, "tenant", "key", "both"])
WHERE = st.sampled_from(["key and tenant", "key", "tenant", "handle", "all"])
SYNCHRONIZE = st.sampled_from(["auto", "fetch", False])  # how the ORM tells its objects
GIVEN = st.sampled_from(["values", "parameters", "many", "expression"])


class Statements(Scene):
    """Writes rows of sealed values."""

    @door(
        "insert",
        s=SESSIONS,
        how=st.sampled_from(["many", "values", "rows of values", "mappings"]),
        core=CORE,
        rows=ROWS,
    )
    def insert_rows(self, s: int, how: str, core: bool, rows: list[tuple[str, str]]) -> None:
        if self.shape.joined and (core or "values" in how):
            return  # which write to one table
        given = [self.sealed(self.row(*row, by="insert"), defaults=True) for row in rows]
        statement = insert(self.shape.tables[0] if core else self.shape.model)
        DEFAULTS.isolate = "rows" not in how or (core and "defaults" in self.doors)

        def act(session: Session) -> None:
            if how == "mappings":
                session.bulk_insert_mappings(self.shape.model, given)
            elif how == "many":
                session.execute(statement, given)
            else:
                session.execute(statement.values(given if "rows" in how else given[0]))

        self.execute(s, f"insert {how}", act, must=True)

    @door("bulk save", s=SESSIONS, new=st.booleans(), row=st.tuples(KEYS, OWNERS), sets=SETS)
    def bulk_save_objects(self, s: int, new: bool, row: tuple[str, str], sets: tuple[str, ...]) -> None:
        """Save a new object, or one of the session that was moved and given new values."""

        def act(session: Session) -> None:
            with session.no_autoflush:
                instance = self.new(*row, "bulk save") if new else self.find(s, row[0])
                if instance is None:
                    return
                if not new:
                    instance.clinic = row[1]
                    for name in sets:
                        self.put(instance, name, "bulk save")
            session.bulk_save_objects([instance])

        self.execute(s, "bulk save", act, parts=self.shape.joined)

    @door(
        "bulk update",
        s=SESSIONS,
        mappings=st.booleans(),
        rows=ROWS,
        to=st.sampled_from([None, *TENANTS]),
        sets=SETS,
    )
    def bulk_update(
        self, s: int, mappings: bool, rows: list[tuple[str, str]], to: str | None, sets: tuple[str, ...]
    ) -> None:
        """Update rows by primary key, with values that are sealed for a tenant or its successor."""
        given = [{**self._update(key, to or tenant, sets), **self.shape.key(key)} for key, tenant in rows]
        if to is not None:
            given = [{**row, "clinic": to} for row in given]

        def act(session: Session) -> None:
            if mappings:
                session.bulk_update_mappings(self.shape.model, given)
            else:
                session.execute(update(self.shape.model), given)

        self.execute(
            s, "bulk update mappings" if mappings else "bulk update", act, parts=len(rows) > 1 or self.shape.joined
        )

    @door(
        "update",
        s=SESSIONS,
        core=CORE,
        row=st.tuples(KEYS, OWNERS),
        sets=SETS,
        to=st.tuples(st.sampled_from(LABELS), st.sampled_from(TENANTS)),
        move=MOVES,
        where=WHERE,
        given=GIVEN,
        base=st.booleans(),
        synchronize=SYNCHRONIZE,
    )
    def update_rows(
        self,
        s: int,
        core: bool,
        row: tuple[str, str],
        sets: tuple[str, ...],
        to: tuple[str, str],
        move: str | None,
        where: str,
        given: str,
        base: bool,
        synchronize: str | bool,
    ) -> None:
        """Update what a condition finds, with values that are sealed for a row or for what it becomes."""
        entity, table = (self.shape.entities[-1], self.shape.tables[-1]) if base else self._first()
        key = to[0] if move in ("key", "both") else row[0]
        tenant = to[1] if move in ("tenant", "both") else row[1]
        values = {**self._update(key, tenant, sets), "name": f"n{len(self.ledger.writers)}"}
        values |= self.shape.key(key) if move in ("key", "both") else {}
        values |= {"clinic": tenant} if move in ("tenant", "both") else {}
        values = {name: value for name, value in values.items() if name in table.c}
        if not values:
            return
        target = table if core else entity
        conditions = self._conditions(table.c if core else entity, row, where)
        statement = update(target).where(*conditions).execution_options(synchronize_session=synchronize)
        if given == "expression":
            values = {n: func.coalesce(v, v) if n in ("clinic", "id") else v for n, v in values.items()}
        # Right beyond doubt: it says which row, of which tenant, and writes no key.
        must = where == "key and tenant" and move is None and given != "expression" and len(conditions) > 1
        must = must and self._is_complete(values)

        def act(session: Session) -> None:
            if given == "parameters":
                session.execute(statement, values)
            elif given == "many":
                only = statement.where(table.c.id == bindparam("only"))
                rows = [{**values, "only": label} for label in (row[0], "none")]
                session.connection().execute(only, rows)
            else:
                session.execute(statement.values(values))

        self.execute(s, f"update by {given}", act, must=must)

    @door(
        "upsert",
        s=SESSIONS,
        core=CORE,
        rows=ROWS,
        handle=st.sampled_from(["h1", "h2", None]),
        conflict=st.sampled_from(["key", "handle", None]),
        sets=SETS,
        move=MOVES,
        form=st.sampled_from(["inserted", "literal", "other"]),
        at_once=st.booleans(),
    )
    def upsert(
        self,
        s: int,
        core: bool,
        rows: list[tuple[str, str]],
        handle: str | None,
        conflict: str | None,
        sets: tuple[str, ...],
        move: str | None,
        form: str,
        at_once: bool,
    ) -> None:
        """Insert a row or two, or update what is there with what was inserted, or with values for another row."""
        if self.shape.joined:
            return
        given = [self.sealed(self.row(*row, by="upsert"), defaults=True) for row in rows]
        given[0]["handle"] = handle
        given = [{"handle": None, **row} for row in given]
        dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}.get(self.engine.dialect.name, mysql)
        statement = dialect.insert(self.shape.tables[0] if core else self.shape.model)
        DEFAULTS.isolate = not at_once
        if at_once or len(given) == 1:
            statement = statement.values(given if at_once else given[0])
        else:
            form = "inserted" if dialect is mysql else form  # PyMySQL takes no other parameters there
        new = statement.inserted if dialect is mysql else statement.excluded
        names = [each for name in sets for each in (name, f"{name}_no")]
        names += [*self.shape.key_names] if move in ("key", "both") else []
        names += ["clinic"] if move in ("tenant", "both") else []
        source: Any = new if form == "inserted" else given[0]
        if form == "other":
            source = self.sealed(self.row(*rows[-1], by="upsert, other"))
        changes = {name: source[name] for name in names} or {"name": new.name}
        if dialect is mysql:
            statement = statement.on_duplicate_key_update(changes)
        else:
            conflict = conflict or ("key" if dialect is postgresql else None)  # which has to name one
            columns = {"key": list(self.shape.key_names), "handle": ["handle"], None: None}[conflict]
            statement = statement.on_conflict_do_update(index_elements=columns, set_=changes)
        many = None if at_once or len(given) == 1 else given
        self.execute(s, f"upsert {form}", lambda session: session.execute(statement, many), parts=many is not None)

    @door("delete by statement", s=SESSIONS, key=KEYS, core=CORE, synchronize=SYNCHRONIZE)
    def delete_row(self, s: int, key: str, core: bool, synchronize: str | bool) -> None:
        if self.shape.joined:
            return
        entity, table = self._first()
        conditions = self._conditions(table.c if core else entity, (key, ""), "key")
        self.execute(
            s,
            "delete by statement",
            lambda session: session.execute(delete(table if core else entity).where(*conditions)),
        )

    def _first(self) -> tuple[Any, Any]:
        return self.shape.model, self.shape.tables[0]

    def _update(self, key: str, tenant: str, sets: tuple[str, ...]) -> dict[str, Any]:
        """Return new values of some protected columns, sealed."""
        row = self.row(key, tenant, "update", without=tuple(name for name in PROTECTED if name not in sets))
        sealed = self.sealed(row)
        values = {name: sealed[name] for each in sets for name in (each, f"{each}_no")}
        if self.shape.compounds and "email" in sets and row["email_no"] % 3:
            values["handle"] = f"u{row['email_no']}"
        return values

    def _is_complete(self, values: dict[str, Any]) -> bool:
        """Return True if values have all members of a compound index, or none."""
        written = [values.keys() & compound.of.keys() for compound in self.shape.compounds]
        return all(len(each) in (0, 2) for each in written)

    def _conditions(self, columns: Any, row: tuple[str, str], where: str) -> list[Any]:
        """Return the conditions on a row, as far as its table has the columns."""
        found = []
        if where.startswith("key"):
            found += [getattr(columns, name) == part for name, part in self.shape.key(row[0]).items()]
        if where.endswith("tenant") and hasattr(columns, "clinic"):
            found.append(columns.clinic == row[1])
        if where == "handle" and hasattr(columns, "handle"):
            found.append(columns.handle == "h1")
        return found
