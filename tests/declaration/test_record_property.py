"""Random records and declarations: all that is declared is protected, and nothing else is touched."""

from __future__ import annotations

import string
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    Encryptor,
    FieldcryptError,
    LocalKeyProvider,
    MemoryKeyStore,
    ProtectedRecord,
    Protection,
    RecordSeal,
)
from tests.support.strategies import relaxed

SOON = datetime.now(UTC).date() + timedelta(days=30)
SECRET = "plaintext to protect"
NAMES = st.text(string.ascii_letters + ".[]\\é", min_size=1, max_size=3)
LEAVES = st.none() | st.integers() | st.text(string.ascii_letters, max_size=5) | st.just(SECRET)
ENCRYPTOR = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())

# A declaration: what is protected, and where; a map by names, or what every element of a list has.
Declared = str | dict[str, Any] | tuple[Any]

DECLARED: st.SearchStrategy[Declared] = st.recursive(
    st.sampled_from(["binary", "text"]),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3) | st.tuples(inner),
    max_leaves=6,
)


def escaped(name: str) -> str:
    for special in "\\.[]":
        name = name.replace(special, "\\" + special)
    return name


def paths(declared: Declared, here: str) -> Mapping[str, str]:
    """The paths of a declaration, each with the form in which values are stored."""
    if isinstance(declared, str):
        return {here: declared}
    if isinstance(declared, tuple):
        return paths(declared[0], f"{here}[]")
    return {
        path: how for name, each in declared.items() for path, how in paths(each, f"{here}.{escaped(name)}").items()
    }


def records(declared: Declared) -> st.SearchStrategy[Any]:
    """Values that fit a declaration, with members that it does not have, and without some that it has."""
    if isinstance(declared, str):
        return st.none() | st.just(SECRET)
    if isinstance(declared, tuple):
        return st.none() | st.lists(records(declared[0]), max_size=3)
    wanted = st.fixed_dictionaries({}, optional={name: records(each) for name, each in declared.items()})
    more = st.dictionaries(NAMES, LEAVES | st.lists(LEAVES, max_size=2), max_size=2)
    return st.builds(lambda found, others: {**others, **found}, wanted, more.map(lambda each: without(each, declared)))


def without(members: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in declared}


def check(declared: Declared, plain: Any, stored: Any) -> None:
    """Look at each value: what is declared has changed, the rest has not."""
    if plain is None:
        assert stored is None
    elif isinstance(declared, str):
        assert isinstance(stored, bytes if declared == "binary" else str)
        assert SECRET not in str(stored)
    elif isinstance(declared, tuple):
        assert len(plain) == len(stored)
        for one, other in zip(plain, stored, strict=True):
            check(declared[0], one, other)
    else:
        assert list(plain) == list(stored)
        for name, value in plain.items():
            if name in declared:
                check(declared[name], value, stored[name])
            else:
                assert stored[name] is value


@given(st.data(), st.dictionaries(NAMES, DECLARED, min_size=1, max_size=3))
@relaxed
def test_any_record_of_any_declaration(data: st.DataObject, declared: dict[str, Any]) -> None:
    """It comes back; in between, what is declared is encrypted, and all else is the very same."""
    forms = {path: how for name, each in declared.items() for path, how in paths(each, escaped(name)).items()}
    fields = {path: Protection(str, storage=how) for path, how in forms.items()}  # type: ignore[arg-type]
    described = ProtectedRecord("records", ENCRYPTOR, key="the key", fields=fields, same_place=True)
    record = {"the key": data.draw(st.integers()), **data.draw(records(declared))}
    stored = described.encrypt(record)
    check({**declared}, record, stored)
    assert described.decrypt(stored) == record


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=70) | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TANGLED = ProtectedRecord(
    "tangled",
    ENCRYPTOR,
    key=("id", "part"),
    tenant="tenant",
    fields={
        "a": str,
        "b.c": Protection(int, storage="text"),
        "d[].e": Protection(object, accept_plaintext=SOON),
        "f[id].g": str,
        "h[][]": Protection(str, storage="text", accept_plaintext=SOON),
    },
    seal=RecordSeal("seal", ("a", "d", "other")),
)
LONG = "x" * 70_000  # more than an entry of a context can have
WHOLE: dict[str, Any] = {
    **{"id": 1, "part": "x", "tenant": "t", "a": "a"},
    **{"b": {"c": 1}, "d": [{"e": 1}], "f": [{"id": 7, "g": "g"}], "h": [["h"]]},
}


@given(st.data(), st.booleans())
@relaxed
def test_whatever_a_store_holds_is_refused_as_one_kind(data: st.DataObject, whole: bool) -> None:
    """Of records that are junk, or have junk in some places, nothing but errors of fieldcrypt comes out."""
    stored = TANGLED.encrypt(WHOLE)
    odd = [LONG, "\ud800", [{"id": LONG, "g": stored["a"]}], [{"id": "\ud800", "g": stored["a"]}]]
    for name in data.draw(st.sets(st.sampled_from(sorted(stored)), min_size=1, max_size=2)):
        stored[name] = data.draw(st.sampled_from(odd) | JUNK)
    with suppress(FieldcryptError):
        TANGLED.decrypt(stored, whole=whole)
