"""The people in the demo: a built-in sample, or someone's CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

__all__ = ["PROTECTED", "Customer", "InputError", "read_customers", "sample"]

MAX_ROWS = 2_000  # of a file: enough to see, and over in a minute

PROTECTED = ("name", "address", "phone", "email")

# What a column may be called, without case and punctuation. A name may also come as first and last name.
_CALLED = {
    "name": ("name", "fullname", "customername", "contactname"),
    "address": ("address", "street", "streetaddress", "address1", "addressline1"),
    "phone": ("phone", "phonenumber", "telephone", "mobile", "tel"),
    "email": ("email", "emailaddress", "mail"),
}
_FIRST, _LAST = ("firstname", "givenname"), ("lastname", "surname", "familyname")


class InputError(Exception):
    """A CSV file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A row. The country stays readable in the database, to show that queries on it work as ever."""

    id: int
    country: str | None
    name: str | None
    address: str | None
    phone: str | None
    email: str | None

    @property
    def protected(self) -> list[str]:
        """The values that must not be found at rest."""
        return [value for value in astuple(self)[2:] if value is not None]


def read_customers(path: Path) -> tuple[list[Customer], int]:
    """Read a CSV file with a header.

    Returns:
        The customers, and how many more rows the file has.

    Raises:
        InputError: it cannot be read, or has no column to protect, or no rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; try `iconv -f latin1 -t utf-8`") from None
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}") from None
    if len(rows) < 2:
        raise InputError(f"{path} has no rows below a header")
    header = [_plain(column) for column in rows[0]]
    sources = {field: _find(header, called) for field, called in _CALLED.items()}
    first, last = _find(header, _FIRST), _find(header, _LAST)
    if not [source for source in (*sources.values(), first, last) if source is not None]:
        raise InputError(
            f"{path} has none of the columns that the demo protects ({', '.join(PROTECTED)}); "
            f"it has {', '.join(rows[0])}"
        )
    country = _find(header, ("country", "countrycode"))

    def customer(number: int, row: Sequence[str]) -> Customer:
        names = [part for part in (_cell(row, first), _cell(row, last)) if part]
        return Customer(
            id=number,
            country=_cell(row, country),
            name=_cell(row, sources["name"]) or " ".join(names) or None,
            address=_cell(row, sources["address"]),
            phone=_cell(row, sources["phone"]),
            email=_cell(row, sources["email"]),
        )

    body = [row for row in rows[1:] if row]
    customers = [customer(number, row) for number, row in enumerate(body[:MAX_ROWS], 1)]
    if not any(customer.protected for customer in customers):
        raise InputError(f"{path} has no values in the columns that the demo protects")
    return customers, max(0, len(body) - MAX_ROWS)


def _plain(column: str) -> str:
    return "".join(character for character in column.lower() if character.isalnum())


def _find(header: Sequence[str], called: Sequence[str]) -> int | None:
    return next((header.index(name) for name in called if name in header), None)


def _cell(row: Sequence[str], index: int | None) -> str | None:
    return (row[index] or None) if index is not None and index < len(row) else None


def sample() -> list[Customer]:
    """Twelve people who do not exist."""
    return [Customer(number, *row) for number, row in enumerate(_SAMPLE, 1)]


_SAMPLE: tuple[tuple[str, str, str | None, str | None, str | None], ...] = (
    ("Portugal", "Inês Carvalho", "Rua das Flores 12, Porto", "+351 22 555 0101", "ines.carvalho@example.org"),
    ("Germany", "Jürgen Weiß", "Gänsemarkt 3, Hamburg", "+49 40 5550 102", "juergen.weiss@example.org"),
    ("France", "Chloé Lefèvre", "8 rue de l'Église, Lyon", None, "chloe.lefevre@example.org"),
    ("Norway", "Bjørn Ødegård", "Strandgaten 40, Bergen", "+47 55 55 01 04", None),
    ("Japan", "佐藤 花子", "東京都港区芝公園 4-2-8", "+81 3 5555 0105", "hanako.sato@example.org"),
    ("India", "Meera Iyer", "14 Residency Road, Bengaluru", "+91 80 5555 0106", "meera.iyer@example.org"),
    ("Brazil", "João da Conceição", "Avenida Atlântica 1702, Rio de Janeiro", "+55 21 5555 0107", "joao@example.org"),
    ("Greece", "Ελένη Παπαδοπούλου", "Ερμού 25, Αθήνα", "+30 21 0555 0108", "eleni.p@example.org"),
    ("Poland", "Zofia Wiśniewska", "ulica Długa 7, Gdańsk", None, None),
    ("Ireland", "Seán Ó Briain", "3 Quay Street, Galway", "+353 91 555 110", "sean.obriain@example.org"),
    ("Nigeria", "Adaeze Okonkwo", "22 Marina Road, Lagos", "+234 1 555 0111", "adaeze.okonkwo@example.org"),
    (
        "United States",
        "Sam Rivera",
        "1600 Spring Street, Portland, Oregon",
        "+1 503 555 0112",
        "sam.rivera@example.org",
    ),
)
