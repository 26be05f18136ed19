"""What somebody learns who sees questions, or can have rows inserted."""

from __future__ import annotations

from datetime import date, timedelta

from fieldcrypt import Encryptor, IndexedBy, LocalKeyProvider, MemoryKeyStore, Protection
from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.search import Equal, Range

BEGIN = date(1900, 1, 1)
BORN = date(1980, 2, 29)


def indexes(type: type, index: IndexedBy) -> FieldIndexes:
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    return Protection(type, index=index).field_indexes(encryptor, "people.x", type)


def test_a_question_undoes_the_partitions_of_what_it_asks_for() -> None:
    """It names all tags that the value can have, so that whoever sees it can add up the rows."""
    index = indexes(str, IndexedBy("a", partitions=4))
    stored = [index.tags(name, row={"id": str(row)})["a"] for name in ("Ann", "Bob") for row in range(50)]
    (asked,) = index.search(Equal(("Ann",))).tags(None).values()
    assert {*stored[:50]} == {*asked}
    assert not {*stored[50:]} & {*asked}


def test_insertions_find_the_node_of_any_row() -> None:
    """Someone who can have rows written goes down the tree, on each level by trying nodes until the tag is the same."""
    index = indexes(date, IndexedBy("born", of=Range(BEGIN, date(2100, 1, 1)), accept_leakage=True))
    victim, insertions, low, days = index.tags(BORN), 0, BEGIN, 200 * 366
    for companion in reversed(index.companions):  # the coarsest level first
        width = timedelta(days=4 ** int(companion.rpartition("_")[2]))
        for number in range(days // width.days + 1):
            insertions += 1
            if index.tags(low + number * width)[companion] == victim[companion]:
                low, days = low + number * width, width.days - 1
                break
    assert low <= BORN < low + timedelta(days=16)
    assert insertions <= 40
