"""Where the frozen data is, and how it gets into a database: always as a copy."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

__all__ = [
    "DATA",
    "KINDS",
    "PLACEHOLDER",
    "from_json",
    "load_items",
    "load_json",
    "load_pickle",
    "load_postgres",
    "load_sqlite",
    "to_json",
    "write_json",
]

DATA = Path(__file__).parent / "data"
KINDS = ("sqlite", "postgresql")
PLACEHOLDER = "/frozen".ljust(200, "/")  # in pickles, for the directory that their files are in


def load_json(name: str) -> Any:
    """Return what a file of JSON says."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON that a person can read."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_sqlite(name: str, path: Path) -> None:
    """Copy a database of SQLite to a path."""
    shutil.copy(DATA / "sqlite" / f"{name}.sqlite", path)


def load_postgres(name: str, engine: Engine) -> None:
    """Fill an empty database of PostgreSQL."""
    text = (DATA / "postgresql" / f"{name}.sql").read_text(encoding="utf-8")
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(text)  # many statements, none of which has parameters


def load_pickle(name: str, directory: Path) -> bytes:
    """Return a pickle, with the paths in it led to a directory: of the same length, for pickles count."""
    padded = str(directory).encode().ljust(len(PLACEHOLDER), b"/")
    assert len(padded) == len(PLACEHOLDER), f"{directory} is too long"
    return (DATA / "pickles" / f"{name}.pickle").read_bytes().replace(PLACEHOLDER.encode(), padded)


def load_items(client: Any, name: str) -> Mapping[str, Any]:
    """Make the tables of a file, with their items, through a client of DynamoDB; return what the file says."""
    tables: Mapping[str, Any] = load_json(f"dynamodb/{name}")
    for table, content in tables.items():
        client.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **content["schema"])
        for item in content["items"]:
            client.put_item(TableName=table, Item=from_json(item))
    return tables


def to_json(node: Any) -> Any:
    """Write DynamoDB's form as JSON, as DynamoDB does itself: byte strings in base64."""
    if isinstance(node, bytes):
        return base64.b64encode(node).decode()
    if isinstance(node, Mapping):
        return {name: to_json(value) for name, value in node.items()}
    return [to_json(each) for each in node] if isinstance(node, list) else node


def from_json(node: Any) -> Any:
    """Read DynamoDB's form from JSON."""
    if isinstance(node, list):
        return [from_json(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    if len(node) == 1:
        ((kind, value),) = node.items()
        if kind == "B" and isinstance(value, str):
            return {"B": base64.b64decode(value)}
        if kind == "BS" and isinstance(value, list):
            return {"BS": [base64.b64decode(each) for each in value]}
    return {name: from_json(value) for name, value in node.items()}
