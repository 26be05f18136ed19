"""Whatever an expression about nested values looks like, no plaintext leaves for a place that is protected."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_dynamodb import ProtectedAttributeError, ProtectedTable
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node, conditions
from fieldcrypt_dynamodb.expression.updates import Update
from fieldcrypt_dynamodb.item.forms import PYTHON, WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_dynamodb.item.nested.met import Meaning
from fieldcrypt_dynamodb.item.nested.shape import Found
from fieldcrypt_dynamodb.request.table import TableRequests
from tests.support.strategies import relaxed

SECRET = "secret-219-09-9999"
PATHS = ["profile.ssn", "addresses[].street", "phones[kind].number", "notes[]"]
TABLE = ProtectedTable(
    "t", Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), key=["id"], attributes=dict.fromkeys(PATHS, str)
)
OPEN = ProtectedTable(
    "u", Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), key=["id"], attributes={"other": str}
)  # with nothing of it protected
NAMES = {"#d": "profile.ssn", "#e": "addresses[1].street", "#p": "profile", "#s": "ssn", "#n": "number"}
VALUES: dict[str, Any] = {
    ":s": SECRET,
    ":n": None,
    ":l": [SECRET],
    ":p": {"ssn": SECRET},
    ":a": {"street": SECRET},
    ":as": [{"street": SECRET}],
    ":t": {"kind": "home", "#n": SECRET, "number": SECRET},
    ":ts": [{"kind": "home", "number": SECRET}],
}
_PATHS = st.sampled_from(
    [
        *("profile", "#p", "profile.ssn", "#p.#s", "profile.city", "profile.ssn.x", "profile[0]", "#d", "#e", "ward"),
        *("addresses", "addresses[0]", "addresses[0].street", "addresses.street", "notes", "notes[1]", "notes.x"),
        *("phones", "phones[0]", "phones[0].#n", "phones[0].kind"),
    ]
)
_OPERANDS: st.SearchStrategy[str] = st.deferred(
    lambda: (
        _PATHS
        | st.sampled_from(list(VALUES))
        | st.builds("if_not_exists({}, {})".format, _PATHS, _OPERANDS)
        | st.builds("list_append({}, {})".format, _OPERANDS, _OPERANDS)
    )
)
_ACTIONS = (
    st.builds("SET {} = {}".format, _PATHS, _OPERANDS)
    | st.builds("REMOVE {}".format, _PATHS)
    | st.builds("{} {} {}".format, st.sampled_from(["ADD", "DELETE"]), _PATHS, st.sampled_from(list(VALUES)))
)
_CONDITIONS = (
    st.builds("{} {} {}".format, _OPERANDS, st.sampled_from(["=", "<>", "<"]), _OPERANDS)
    | st.builds("{}({}, {})".format, st.sampled_from(["contains", "begins_with"]), _PATHS, st.sampled_from([":s"]))
    | st.builds("NOT ({} IN ({}, :s))".format, _PATHS, st.sampled_from(list(VALUES)))
)


def sent(operation: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The request that leaves; None if it is refused."""
    given = {name: value for name, value in VALUES.items() if _is_in(name, params)}
    names = {name: value for name, value in NAMES.items() if _is_in(name, params)}
    for name, values in (("ExpressionAttributeValues", given), ("ExpressionAttributeNames", names)):
        params |= {name: values} if values else {}
    requests = TableRequests(TABLE, PYTHON)
    try:
        return requests.update(params) if operation == "update" else requests.delete(params)
    except (ProtectedAttributeError, TypeError):
        return None


def _is_in(placeholder: str, params: dict[str, Any]) -> bool:
    text = " ".join(value for value in params.values() if isinstance(value, str))
    return placeholder in text.replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").split()


def values_of(node: Node) -> set[str]:
    """The placeholders of values in an operand."""
    own = set() if node.value is None else {node.value}
    return own.union(*map(values_of, node.parts))


def in_place(path: Any, value: Any) -> list[Any]:
    """What a value that is set there has where the path, or what it is around, is protected."""
    met = TABLE.shape.met(path.steps)
    if met.shape is None:
        return [] if plain(path) else [value]
    found: list[Found] = []
    met.shape.copied(value, found, WIRE, reading=True)
    return [each.value for each in found]


def plain(path: Any) -> bool:
    return TABLE.shape.met(path.steps).meaning in (Meaning.PLAIN, Meaning.TELLING)


@given(_ACTIONS)
@settings(relaxed, max_examples=500)
def test_no_update_leaves_that_stores_plaintext_where_it_is_protected(text: str) -> None:
    request = sent("update", {"Key": {"id": "1"}, "UpdateExpression": text})
    event("refused" if request is None else "sent")
    if request is None:
        return
    values = request.get("ExpressionAttributeValues", {})
    left = Update(request["UpdateExpression"], Items(OPEN, WIRE), Placeholders(request, WIRE))
    for path, value, _ in left._sets:
        assert SECRET not in repr([in_place(path, values[name]) for name in values_of(value)])
    assert all(clause == "REMOVE" or plain(path) for clause, path, _ in left._others)


def compared(node: Node) -> list[Node]:
    inner = [each for part in node.parts for each in compared(part)]
    return inner if node.kind in ("and", "or", "not") else [node]


def paths_of(node: Node) -> list[Any]:
    return ([node.path] if node.path is not None else []) + [each for part in node.parts for each in paths_of(part)]


@given(_CONDITIONS)
@settings(relaxed, max_examples=300)
def test_no_condition_leaves_that_compares_what_is_protected(text: str) -> None:
    request = sent("delete", {"Key": {"id": "1"}, "ConditionExpression": text})
    event("refused" if request is None else "sent")
    if request is not None:
        for leaf in compared(conditions(request["ConditionExpression"], request.get("ExpressionAttributeNames", {}))):
            assert all(map(plain, paths_of(leaf)))
