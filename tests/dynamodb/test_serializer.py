"""Whole items are converted as boto3's own classes convert them: the same results, the same errors."""

from __future__ import annotations

import enum
from collections import OrderedDict, UserDict, UserList
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

import pytest
from boto3.dynamodb import types
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldcrypt_dynamodb import size_of
from fieldcrypt_dynamodb.item.serializer import deserialize, deserialize_item, serialize, serialize_item


class Text(enum.StrEnum):
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


class Odd(str):
    """A text that is not shown as it is."""

    def __str__(self) -> str:
        return "another text"


NUMBERS = st.integers() | st.decimals() | st.sampled_from([10**38, 10**39, Decimal("1E+126"), Decimal("-Infinity")])
BYTES = st.binary(max_size=3) | st.binary(max_size=3).map(bytearray) | st.binary(max_size=3).map(Binary)
TEXTS = st.text(max_size=3) | st.sampled_from([Text.A, Odd("a")])
SCALARS = NUMBERS | BYTES | TEXTS | st.booleans() | st.none() | st.floats() | st.sampled_from([Number.ONE, 5j, object])
EXACT = st.integers() | st.decimals(allow_nan=False)
HASHABLE = EXACT | TEXTS | st.binary(max_size=3) | st.binary(max_size=3).map(Binary) | st.booleans()
SETS = st.sets(HASHABLE, max_size=2) | st.frozensets(EXACT, max_size=3) | st.dictionaries(TEXTS, NUMBERS).map(dict.keys)


def nested(values: Any) -> Any:
    """Collections of values, of usual types and of others."""
    lists = st.lists(values, max_size=3)
    maps = st.dictionaries(TEXTS, values, max_size=3)
    return lists | lists.map(tuple) | lists.map(UserList) | maps | maps.map(OrderedDict) | maps.map(UserDict)


VALUES = st.recursive(SCALARS | SETS, nested, max_leaves=6)

# What DynamoDB gives, and what somebody could make of it.
CONTENTS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.decimals().map(str) | st.binary(max_size=3)
)
KINDS = st.sampled_from(["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "M", "L", "s", "X", 5])
WIRE = st.recursive(
    st.dictionaries(KINDS, CONTENTS, max_size=2) | CONTENTS,
    lambda values: st.dictionaries(
        KINDS,
        values | st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=2), values, max_size=2),
        max_size=2,
    ),
    max_leaves=5,
)


def outcome(convert: Callable[[Any], Any], value: Any) -> Any:
    """The result of a conversion as text, in which 1 and True differ; or its error."""
    try:
        return shown(convert(value))
    except Exception as error:  # noqa: BLE001 (whatever boto3 raises)
        return type(error), str(error)


def shown(value: Any) -> str:
    """A value as text. A set has its members in order: those that are no numbers have another hash each time."""
    if isinstance(value, set):
        return f"set {sorted(map(shown, value))}"
    if isinstance(value, list):
        return f"list {[*map(shown, value)]}"
    return f"dict {[(key, shown(each)) for key, each in value.items()]}" if isinstance(value, dict) else repr(value)


@pytest.fixture
def at_random(pytestconfig: pytest.Config) -> Callable[[Any, Callable[[Any], None]], None]:
    """Checks something with some values; with many, others each time, in `make test-long-values`."""
    examples = 100_000 if pytestconfig.getoption("--long") else 1_500
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=slow)

    def run(values: Any, check: Any) -> None:
        decorate: Any = given(values)
        decorate(chosen(check))()

    return run


def test_values_are_serialized_as_boto3_does_it(at_random: Any) -> None:
    def check(value: Any) -> None:
        assert outcome(serialize, value) == outcome(TypeSerializer().serialize, value)

    at_random(VALUES, check)


def test_values_are_deserialized_as_boto3_does_it(at_random: Any) -> None:
    def check(value: Any) -> None:
        assert outcome(deserialize, value) == outcome(TypeDeserializer().deserialize, value)

    at_random(WIRE, check)


def test_an_item_is_converted_but_for_what_is_left_out() -> None:
    item = {"a": 1, "b": "x", "c": [None]}
    wire = {"a": {"N": "1"}, "b": {"S": "x"}}
    assert serialize_item(item, {"c"}) == wire
    assert deserialize_item(wire, {"b"}) == {"a": Decimal(1)}


def test_nothing_that_was_given_is_changed_or_kept() -> None:
    """Lists and maps of the result are new ones."""
    item = {"a": {"b": [1]}}
    serialize_item(item)["a"]["M"]["b"]["L"].clear()
    assert item == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("name", "wire", "found"),
    [("_deserialize_n", {"L": [{"N": "1.5"}]}, [1.5]), ("_deserialize_b", {"B": b"x"}, b"x")],
)
def test_a_replaced_method_of_boto3_s_deserializer_is_used(
    monkeypatch: pytest.MonkeyPatch, name: str, wire: Any, found: Any
) -> None:
    """As many programs do it, to have floats."""
    monkeypatch.setattr(TypeDeserializer, name, lambda self, content: float(content) if name[-1] == "n" else content)
    assert repr(deserialize_item({"a": wire})) == repr({"a": found})


def test_a_replaced_method_of_boto3_s_serializer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TypeSerializer, "_is_number", lambda self, value: isinstance(value, (int, Decimal, float)))
    monkeypatch.setattr(TypeSerializer, "_serialize_n", lambda self, value: str(value))
    assert serialize_item({"a": 1.5, "b": "x"}) == {"a": {"N": "1.5"}, "b": {"S": "x"}}


@pytest.mark.parametrize("convert", [lambda: serialize(Decimal(1) / 3), lambda: deserialize({"N": "0." + "3" * 40})])
def test_boto3_s_decimal_context_is_looked_up_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch, convert: Callable[[], Any]
) -> None:
    """A program that replaces it wants numbers rounded, for example."""
    monkeypatch.setattr(types, "DYNAMODB_CONTEXT", Context(prec=3))
    assert convert() in ({"N": "0.333"}, Decimal("0.333"))


def test_sizes_are_those_of_what_is_sent() -> None:
    assert size_of(serialize_item({"id": "1", "n": 12345})) == 2 + 1 + 1 + 5
