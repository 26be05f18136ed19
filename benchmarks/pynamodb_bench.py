"""What protected attributes cost in PynamoDB: a model unprotected, undecorated, and bound to its items.

    python -m benchmarks.pynamodb_bench [--seconds N] [--check] [--json FILE]

An item has ten attributes, five of which are protected: three texts, a number and a date. It is serialized for DynamoDB
and made of what DynamoDB returns; no request is sent. The models take turns, and a ratio is taken within a round. With
--check, exit code 1 if the limit does not hold.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.models import Model
from rich.console import Console
from rich.table import Table

from benchmarks import measure
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, encrypted

ITEMS, TENANTS = 200, 20
LIMIT = 2.0  # of what a decorated model with tenants takes to write and read an item, to the plain one
LIMITED = "decorated, tenants"

Wrap = Callable[[Attribute[Any]], Attribute[Any]]


def models() -> dict[str, type[Model]]:
    """The contestants; the plain model is the floor."""
    keys = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    searchable: dict[str, Attribute[Any]] = {
        "ssn": EncryptedAttribute(UnicodeAttribute(), index="ssn_tag"),
        "ssn_tag": BlindIndexAttribute(null=True),
    }
    return {
        "plain": _model(lambda attribute: attribute),
        "undecorated": _model(lambda attribute: EncryptedAttribute(attribute, keys)),
        "decorated": encrypted(keys)(_model(EncryptedAttribute)),
        LIMITED: encrypted(keys, tenant="clinic")(_model(EncryptedAttribute)),
        "decorated, one searchable": encrypted(keys)(_model(EncryptedAttribute, searchable)),
    }


def _model(wrap: Wrap, others: dict[str, Attribute[Any]] | None = None) -> type[Model]:
    attributes: dict[str, Any] = {
        "id": UnicodeAttribute(hash_key=True),
        "clinic": UnicodeAttribute(),
        "name": UnicodeAttribute(),
        "ward": UnicodeAttribute(),
        "visits": NumberAttribute(),
        "ssn": wrap(UnicodeAttribute()),
        "email": wrap(UnicodeAttribute()),
        "phone": wrap(UnicodeAttribute()),
        "weight": wrap(NumberAttribute()),
        "born": wrap(UTCDateTimeAttribute()),
        **(others or {}),
    }
    return type("Patient", (Model,), {"Meta": type("Meta", (), {"table_name": "patients"}), **attributes})


def work(model: Any) -> dict[str, Callable[[], object]]:
    """What is measured of a model: an item is written, read, or both."""
    items = [
        model(
            f"patient-{number}",
            clinic=f"clinic-{number % TENANTS}",
            name="Ann Example",
            ward="W",
            visits=number,
            ssn=f"078-05-{number:04}",
            email=f"ann-{number}@example.org",
            phone=f"+1 555 01{number:04}",
            weight=60 + number / 10,
            born=dt.datetime(1980, 2, 29, tzinfo=dt.UTC) + dt.timedelta(days=number),
        )
        for number in range(ITEMS)
    ]
    raw = [item.serialize() for item in items]
    writing, reading, both = cycle(items), cycle(raw), cycle(items)
    return {
        "write": lambda: next(writing).serialize(),
        "read": lambda: model.from_raw_data(next(reading)),
        "write and read": lambda: model.from_raw_data(next(both).serialize()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pynamodb_bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each of three measures")
    parser.add_argument("--check", action="store_true", help="exit code 1 if the limit does not hold")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()

    contestants = {name: work(model) for name, model in models().items()}
    table = Table("work", "model", "us an item", "x plain", "quartiles")
    lines: list[dict[str, Any]] = []
    for what in contestants["plain"]:
        results = measure.run({name: of[what] for name, of in contestants.items()}, arguments.seconds)
        floor = results["plain"]
        for name, result in results.items():
            first, third = result.spread(floor)
            ratio = result.ratio(floor)
            lines.append({"work": what, "model": name, "us": result.median, "ratio": ratio})
            table.add_row(what, name, f"{result.median:.1f}", f"{ratio:.2f}", f"{first:.2f}–{third:.2f}")
    console = Console()
    console.print(table)
    for name, value in measure.environment().items():
        console.print(f"[dim]{name}: {value}[/]")
    if arguments.json:
        measure.write_json(arguments.json, {"lines": lines, "limit": LIMIT})
    over = [
        line for line in lines if (line["work"], line["model"]) == ("write and read", LIMITED) and line["ratio"] > LIMIT
    ]
    if arguments.check and over:
        console.print(f"[red]{LIMITED}: {over[0]['ratio']:.2f} times plain, and not {LIMIT}[/]")
        sys.exit(1)


if __name__ == "__main__":
    main()
