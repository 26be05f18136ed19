"""What a database does with a column that will be wrong once its values are encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, inspect

from fieldcrypt_sqlalchemy.migration.row.table_rows import TableRows
from fieldcrypt_sqlalchemy.migration.table.database import triggers

__all__ = ["cautions"]

_HOLDS_ANYWAY = re.compile(r"\W*json_valid\W+\w+\W*", re.IGNORECASE)  # MariaDB's own, of JSON


def cautions(connection: Connection, source: TableRows) -> Iterator[str]:
    """Yield what to know before a backfill, in words, though nothing keeps it from being done."""
    look, place = inspect(connection), (source.table.name, source.schema)
    if names := triggers(connection, *place):
        advice = "see that they copy no plaintext elsewhere; a row in which they change what is written stays as it is"
        yield f"{source.full_name} has triggers for UPDATE ({', '.join(names)}): {advice}"
    columns = {each["name"]: each for each in look.get_columns(*place)}
    looking = [("the CHECK constraint", each["name"], each["sqltext"]) for each in look.get_check_constraints(*place)]
    looking += [
        ("the computed column", name, each["computed"]["sqltext"])
        for name, each in columns.items()
        if "computed" in each
    ]
    found_by: Any = (*look.get_indexes(*place), *look.get_unique_constraints(*place))
    indexes = {each["name"]: each["column_names"] for each in found_by}
    for migrated in source.columns:
        name = migrated.stored_name
        for what, called, of in looking:
            if re.search(rf"\b{re.escape(name)}\b", str(of)) and not _HOLDS_ANYWAY.fullmatch(str(of)):
                yield (
                    f"{what} {called or ''} ({of}) will look at encrypted values of {source.full_name}.{name}, and a "
                    "row that it refuses is a failure: see that it holds for them, or take it away"
                )
        if migrated.plain is not None:
            continue
        if (default := columns[name]["default"]) not in (None, "NULL"):
            yield (
                f"{source.full_name}.{name} has the default {default} in the database, which is plaintext, and an "
                "error when plaintext is not accepted any more: take it away"
            )
        for index in (index for index, of in indexes.items() if name in of):
            yield (
                f"the index {index} is on {source.full_name}.{name}: of encrypted values it finds none, and keeps none "
                "unique. Take it away; a blind index does both"
            )
