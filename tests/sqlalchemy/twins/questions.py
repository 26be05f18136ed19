"""Random questions, each of the protected model and of its twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import Dialect, Table, and_, func, not_, or_

from fieldcrypt_sqlalchemy import of_tenant
from tests.sqlalchemy.twins.twin import end_of

CLINICS = ("north", "south")
_LETTERS = "aAbBß"


@dataclass(frozen=True)
class Asked:
    """A condition on the protected model and on its twin, and whether only `find` takes it."""

    protected: Any
    plain: Any
    spelt: str
    is_exact: bool = True


class Questions:
    """Makes conditions.

    Args:
        random: which ones.
        person: the protected model.
        twin: the table without protection.
        dialect: of both.
        known: the people there are, by number.
    """

    def __init__(
        self, random: Random, person: Any, twin: Table, dialect: Dialect, known: dict[int, dict[str, Any]]
    ) -> None:
        self._random, self._person, self._twin, self._dialect, self._known = random, person, twin, dialect, known
        self._exact = [self._surname, self._beginning, self._ending, self._ssn, self._last4, self._born, self._null]
        self._exact += [self._ward, self._who]
        self._inexact = [self._email, self._domain, self._owed, self._long_beginning, self._long_ending, self._place]

    def exact(self, depth: int = 2) -> Asked:
        """Return a condition that may stand anywhere."""
        kind = self._random.choice(["leaf", "leaf", "and", "or", "not"]) if depth else "leaf"
        if kind == "leaf":
            return self._random.choice(self._exact)()
        if kind == "not":
            asked = self.exact(depth - 1)
            return Asked(not_(asked.protected), not_(asked.plain), f"NOT ({asked.spelt})")
        one, other = self.exact(depth - 1), self.exact(depth - 1)
        join = and_ if kind == "and" else or_
        spelt = f"({one.spelt} {kind} {other.spelt})"
        return Asked(join(one.protected, other.protected), join(one.plain, other.plain), spelt)

    def of_candidates(self) -> Asked:
        """Return conditions joined by AND, one of which at least only `find` takes."""
        asked = [self._random.choice(self._inexact)()]
        while self._random.random() < 0.4:
            asked.append(self.exact(0) if self._random.random() < 0.5 else self._random.choice(self._inexact)())
        both = and_(*(each.protected for each in asked)), and_(*(each.plain for each in asked))
        return Asked(*both, " AND ".join(each.spelt for each in asked), is_exact=False)

    # Values

    def text(self, shortest: int, longest: int) -> str:
        """Return a text of a few letters, so that many are found."""
        return "".join(self._random.choices(_LETTERS, k=self._random.randint(shortest, longest)))

    def digits(self, *lengths: int) -> str:
        """Return a text of ones and twos."""
        return "".join(self._random.choices("12", k=self._random.choice(lengths)))

    def mail(self) -> str:
        """Return an address, or a text that is none."""
        return self._random.choice(["a", "b"]) + self._random.choice(["", "@x.org", "@X.org", "@y.net"])

    def day(self) -> date:
        """Return a day near the ends and the middle of the declared range."""
        near = self._random.choice([date(1900, 1, 1), date(1950, 6, 1), date(1999, 12, 31)])
        moved = near + timedelta(self._random.choice([0, 1, 2, 15, 16, 17, 300, -1, -2, -16, -300]))
        return min(max(moved, date(1900, 1, 1)), date(1999, 12, 31))

    def sum(self) -> Decimal:
        """Return an amount, often a fraction of the index's resolution."""
        return Decimal(self._random.choice([-100, -99, 0, 1, 7, 8, 9, 63, 64, 65, 999])) + self._random.choice(
            [Decimal(0), Decimal("0.001"), Decimal("0.5"), Decimal("0.999")]
        )

    def person(self, number: int) -> dict[str, Any]:
        """Return a person's values."""
        return {
            "id": number,
            "clinic": self._random.choice(CLINICS),
            "ward": self._random.randint(0, 2),
            "surname": self._maybe(self.text(0, 5)),
            "ssn": self._maybe(self.digits(2, 4, 5, 6)),
            "email": self._maybe(self.mail()),
            "born": self._maybe(self.day()),
            "owed": self._maybe(self.sum()),
        }

    def _maybe(self, value: Any) -> Any:
        return None if self._random.random() < 0.15 else value

    # Conditions

    def _compared(self, column: Any, plain: Any, spelt: str, value: Callable[[], Any], same: Any = str) -> Asked:
        """Return a condition for equality.

        Args:
            column, plain: what is compared.
            spelt: how that is written.
            value: makes a value to compare with.
            same: makes of it what the twin has.
        """
        one, several = value(), [value() for _ in range(self._random.randint(0, 3))]
        how = self._random.choice(["==", "!=", "in_", "not_in"])
        given = one if how in ("==", "!=") else several
        name = {"==": "__eq__", "!=": "__ne__"}.get(how, how)
        of_twin = same(one) if given is one else list(map(same, several))
        return Asked(getattr(column, name)(given), getattr(plain, name)(of_twin), f"{spelt} {how} {given!r}")

    def _surname(self) -> Asked:
        return self._compared(
            self._person.surname, self._twin.c.surname, "surname", lambda: self.text(0, 4), str.casefold
        )

    def _begins(self, shortest: int, longest: int, is_exact: bool) -> Asked:
        text = _of_length(lambda: self.text(1, 5), shortest, longest)
        folded = text.casefold()
        plain = func.substr(self._twin.c.surname, 1, len(folded)) == folded
        return Asked(self._person.surname.startswith(text), plain, f"surname.startswith({text!r})", is_exact)

    def _ends(self, shortest: int, longest: int, is_exact: bool) -> Asked:
        text = _of_length(lambda: self.text(1, 5), shortest, longest)
        folded = text.casefold()
        plain = end_of(self._twin.c.surname, len(folded), self._dialect) == folded
        return Asked(self._person.surname.endswith(text), plain, f"surname.endswith({text!r})", is_exact)

    def _beginning(self) -> Asked:
        return self._begins(2, 4, True)

    def _ending(self) -> Asked:
        return self._ends(2, 3, True)

    def _long_beginning(self) -> Asked:
        return self._begins(5, 9, False)

    def _long_ending(self) -> Asked:
        return self._ends(4, 9, False)

    def _ssn(self) -> Asked:
        clinic = self._random.choice(CLINICS)
        plain = self._twin.c.clinic + ":" + self._twin.c.ssn
        spelt = f"of_tenant(ssn, {clinic!r})"
        return self._compared(
            of_tenant(self._person.ssn, clinic), plain, spelt, lambda: self.digits(2, 4, 5, 6), f"{clinic}:{{}}".format
        )

    def _last4(self) -> Asked:
        plain = end_of(self._twin.c.ssn, 4, self._dialect)
        if self._random.random() < 0.3:
            text = self.digits(4)
            return Asked(self._person.ssn.endswith(text), plain == text, f"ssn.endswith({text!r})")
        part = self._random.choice(["last 4", "ssn_last4"])
        return self._compared(self._person.ssn.part(part), plain, f"ssn.part({part!r})", lambda: self.digits(2, 4))

    def _born(self) -> Asked:
        return self._ranged(self._person.born, self._twin.c.born, "born", self.day, True)

    def _owed(self) -> Asked:
        clinic = self._random.choice(CLINICS)
        asked = self._ranged(of_tenant(self._person.owed, clinic), self._twin.c.owed, "owed", self.sum, False)
        return Asked(asked.protected, and_(self._twin.c.clinic == clinic, asked.plain), asked.spelt, False)

    def _ranged(self, column: Any, plain: Any, spelt: str, value: Callable[[], Any], is_exact: bool) -> Asked:
        low, high = value(), value()
        how = self._random.choice(["between", "<", "<=", ">", ">=", "reversed <"])
        if how == "between":
            return Asked(column.between(low, high), plain.between(low, high), f"{spelt} in {low}, {high}", is_exact)
        if how == "reversed <":
            return Asked(low < column, low < plain, f"{low} < {spelt}", is_exact)
        name = {"<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}[how]
        return Asked(getattr(column, name)(low), getattr(plain, name)(low), f"{spelt} {how} {low}", is_exact)

    def _who(self) -> Asked:
        someone = self._random.choice(list(self._known.values()))
        name, day = (someone["surname"] or "a").swapcase(), someone["born"] or self.day()
        protected = self._person.who_tag.equals(born=day, surname=name)
        return Asked(protected, self._twin.c.who == f"{name.casefold()}:{day}", f"equals({name!r}, {day})")

    def _place(self) -> Asked:
        clinic, mail = self._random.choice(CLINICS), self._random.choice(["c@x.org", "c@y.net"])
        protected = of_tenant(self._person.place_tag, clinic).equals(clinic=clinic, email=mail)
        place = f"{clinic}:{mail[2:]}"
        return Asked(protected, self._twin.c.place == place, f"equals({place!r})", False)

    def _null(self) -> Asked:
        name = self._random.choice(["surname", "ssn", "email", "born"])
        return Asked(getattr(self._person, name).is_(None), self._twin.c[f"has_{name}"] == 0, f"{name} is None")

    def _ward(self) -> Asked:
        ward = self._random.randint(0, 2)
        return Asked(self._person.ward == ward, self._twin.c.ward == ward, f"ward == {ward}")

    def _email(self) -> Asked:
        mail = self.mail()
        return Asked(self._person.email == mail, self._twin.c.email == mail, f"email == {mail!r}", False)

    def _domain(self) -> Asked:
        found = self._random.choice(["x.org", "y.net", "z"])
        protected = self._person.email.part("domain") == found
        return Asked(protected, self._twin.c.domain == found, f"email.part('domain') == {found!r}", False)


def _of_length(make: Callable[[], str], shortest: int, longest: int) -> str:
    """Return a text whose form without case has such a length: ß has two characters then."""
    while not shortest <= len((text := make()).casefold()) <= longest:
        pass
    return text
