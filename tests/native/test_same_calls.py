"""Fields and groups of fields are called alike in Python and natively, rightly and wrongly."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from fieldcrypt.batch import FieldGroup
from tests.native.twins import SAME_BYTES, Twins
from tests.support.backends import needs_native

pytestmark = needs_native

NAME = "patients.ssn"
VALUES = ["078-05-1120", None, "é", ""]

Call = Callable[[Any], Any]
ENCRYPTING: dict[str, Call] = {
    "many": lambda field: field.encrypt_many(VALUES),
    "many of a tenant": lambda field: field.encrypt_many(VALUES, tenant="a", context={"row": "7"}),
    "many of tenants": lambda field: field.encrypt_many(VALUES, tenant=["a", "b", "a", "b"]),
    "many with contexts": lambda field: field.encrypt_many(VALUES, context=[None, {"row": "1"}, {"row": "2"}, None]),
    "more than one draw": lambda field: field.encrypt_many(["x"] * 5_000),
    "nothing": lambda field: field.encrypt_many([]),
    "an iterator": lambda field: field.encrypt_many(iter(VALUES)),
}
REFUSED: dict[str, Call] = {
    "no value": lambda field: field.encrypt(),
    "a tenant by position": lambda field: field.encrypt("a", "clinic-7"),
    "an unknown keyword": lambda field: field.encrypt("a", row="7"),
    "a value twice": lambda field: field.encrypt("a", value="a"),
    "no data": lambda field: field.decrypt(),
    "data and tenant by position": lambda field: field.decrypt(b"", "clinic-7"),
    "an unknown keyword of decrypt": lambda field: field.decrypt(b"", row="7"),
    "data twice": lambda field: field.decrypt(b"", data=b""),
}
WRONG: dict[str, Call] = {
    "a wrong value among many": lambda field: field.encrypt_many(["a", 7]),
    "a lone surrogate among many": lambda field: field.encrypt_many(["a", "\ud800"]),
    "too few tenants": lambda field: field.encrypt_many(VALUES, tenant=["a"]),
    "a value without a tenant": lambda field: field.encrypt_many(["a", "b"], tenant=["a", None]),
    "one text": lambda field: field.encrypt_many("abc"),
    "an odd context": lambda field: field.encrypt_many(["a"], context={"row": 7}),
    "wrong data among many": lambda field: field.decrypt_many([field.encrypt("a"), b"x"]),
    "a text among data": lambda field: field.decrypt_many(["a"]),
    "no many": lambda field: field.encrypt_many(7),
}


@pytest.fixture
def twins() -> Iterator[Twins]:
    """Two Encryptors with key stores."""
    with Twins.made(21) as made:
        yield made


@pytest.mark.parametrize("call", ENCRYPTING.values(), ids=ENCRYPTING)
def test_many_values(twins: Twins, call: Call) -> None:
    """Many values become the same bytes."""
    fields = twins.field(NAME, str)
    python, native = twins.both(lambda: call(fields.python), lambda: call(fields.native))
    assert python.error is None
    if SAME_BYTES:
        assert python.told == native.told


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_errors_of_many_values(twins: Twins, call: Call) -> None:
    """What is wrong is told with the same words, and nothing is drawn by one of the two alone."""
    fields = twins.field(NAME, str)
    twins.both(lambda: fields.python.encrypt("a"), lambda: fields.native.encrypt("a"))
    python, native = twins.both(lambda: call(fields.python), lambda: call(fields.native))
    assert python.error is not None
    assert python.told == native.told


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_misuse_is_a_type_error(twins: Twins, call: Call) -> None:
    """Arguments that a field does not take are a TypeError, as of any function."""
    fields = twins.field(NAME, str)
    for outcome in twins.both(lambda: call(fields.python), lambda: call(fields.native)):
        assert outcome.error is not None
        assert outcome.error[0] is TypeError


def test_a_keyword_for_the_value(twins: Twins) -> None:
    """The value, and the data, can be named."""
    fields = twins.field(NAME, str)
    python, native = twins.both(
        lambda: fields.python.decrypt(data=fields.python.encrypt(value="a")),
        lambda: fields.native.decrypt(data=fields.native.encrypt(value="a")),
    )
    assert python.value == native.value == "a"


def test_an_enum_class_of_a_name_that_types_have(twins: Twins) -> None:
    """An Enum class called `str` is no text."""
    fields = twins.field(NAME, enum.Enum("str", {"A": "a"}))
    member = fields.python.type.A
    python, native = twins.both(lambda: fields.python.encrypt(member), lambda: fields.native.encrypt(member))
    read = twins.both(lambda: fields.python.decrypt(python.value), lambda: fields.native.decrypt(native.value))
    assert read[0].value is read[1].value is member
    refused = twins.both(lambda: fields.python.encrypt("A"), lambda: fields.native.encrypt("A"))
    assert refused[0].error[0] is refused[1].error[0] is TypeError


@pytest.mark.parametrize("values", [["a", 7, date(2026, 1, 2)], ["a", None, None], ["a", "b", None], ["a"], [None] * 3])
def test_groups(twins: Twins, values: list[Any]) -> None:
    """The fields of a record are encrypted to the same bytes, or refused with the same words."""
    pairs = [twins.field(name, kind) for name, kind in (("a.b", str), ("a.c", int), ("a.d", date))]
    python = FieldGroup(pair.python for pair in pairs)
    native = FieldGroup(pair.native for pair in pairs)
    first, second = twins.both(lambda: python.encrypt(values, tenant="a"), lambda: native.encrypt(values, tenant="a"))
    if SAME_BYTES or first.error is not None:
        assert first.told == second.told
    if first.error is None:
        read = twins.both(lambda: python.decrypt(first.value), lambda: native.decrypt(second.value))
        assert read[0].value == read[1].value == values


@pytest.mark.parametrize("data", [b"", b"x", "text", 7, bytearray(b"x")])
def test_readers(twins: Twins, data: Any) -> None:
    """A reader reads what `decrypt` does, leaves None as it is, and refuses with the same words."""
    fields = twins.field(NAME, str)
    python, native = fields.python.reader(), fields.native.reader()
    assert python(None) is native(None) is None
    of = twins.both(lambda: fields.python.encrypt("a"), lambda: fields.native.encrypt("a"))
    assert python(of[0].value) == native(of[1].value) == "a"
    first, second = twins.both(lambda: python(data), lambda: native(data))
    assert first.error is not None
    assert first.told == second.told


class Anybody(str):
    """A text that says it equals all others."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


def test_tenants_are_compared_alike(twins: Twins) -> None:
    """A tenant of a class of its own reads no more natively than in Python."""
    fields = twins.field(NAME, str)
    of = twins.both(lambda: fields.python.encrypt("a", tenant="b"), lambda: fields.native.encrypt("a", tenant="b"))
    read = twins.both(lambda: fields.python.decrypt(of[0].value), lambda: fields.native.decrypt(of[1].value))
    assert read[0].value == read[1].value == "a"
    python, native = twins.both(
        lambda: fields.python.decrypt(of[0].value, tenant=Anybody("c")),
        lambda: fields.native.decrypt(of[1].value, tenant=Anybody("c")),
    )
    assert python.error is not None
    assert python.told == native.told
