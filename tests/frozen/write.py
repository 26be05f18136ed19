"""Wrote the frozen data. It was run once, with the first version of fieldcrypt, and is never to be run again.

    python -m tests.frozen.write DIRECTORY

It is kept for the record of how the data came about. README.md says why the data stays as it is.
"""

from __future__ import annotations

# isort: off
import tests.frozen.clock as clock  # first: fieldcrypt takes the clock as it finds it

# isort: on
import platform
import sys
from pathlib import Path
from typing import Any

from fieldcrypt import Encryptor, FileKeyStore, key_text, row_context
from tests.frozen import keys, life
from tests.frozen.data import write_json
from tests.frozen.values import CASES, KEYS, TAGGED
from tests.frozen.write_dynamodb import write_dynamodb
from tests.frozen.write_pickles import write_pickles
from tests.frozen.write_sql import write_sql

NODE = "writer.example.org"  # in the names of workers


def main(directory: Path) -> None:
    """Write everything into a directory that does not exist."""
    for name in ("", "keys", "sqlite", "postgresql", "dynamodb", "pickles"):
        (directory / name).mkdir()
    platform.node = lambda: NODE
    write_json(directory / "values.json", _values(directory))
    lives: dict[str, Any] = {}
    store = FileKeyStore.create(directory / "keys" / "life.sqlite")
    lives["file"] = life.lead(keys.encryptor(store), clock.advance)
    lives |= write_sql(directory, clock.advance)
    lives["dynamodb"] = write_dynamodb(directory, clock.advance)
    write_json(directory / "life.json", lives)
    write_pickles(directory)


def _values(directory: Path) -> dict[str, Any]:
    """Encrypt and tag values of every type, under the keys of a file, and with none."""
    stored = keys.encryptor(FileKeyStore.create(directory / "keys" / "values.sqlite"))
    return {
        "stored": _encrypted(stored),
        "self-contained": _encrypted(keys.encryptor()),
        "tags": {
            name: stored.blind_index(f"tagged.{name}", type(case.value), **case.how)
            .tag(case.value, tenant=case.tenant)
            .hex()
            for name, case in TAGGED.items()
        },
        "key texts": {name: key_text(value) for name, value in KEYS.items()},
        "row contexts": {"one": dict(row_context(-7)), "two": dict(row_context("ann", 7))},
    }


def _encrypted(encryptor: Encryptor) -> dict[str, str]:
    return {
        name: encryptor.field(f"values.{name}", case.field_type, pad=case.pad)
        .encrypt(case.value, tenant=case.tenant, context=case.context)
        .hex()
        for name, case in CASES.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
