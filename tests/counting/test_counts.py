"""Counts of values: what they cost, how long they last, and how many there are."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fieldcrypt import OTHER_TENANTS, Encryptor, Field, LocalKeyProvider, MemoryKeyStore, ValuesByTenant, ValueStats
from fieldcrypt.counting.tally import PythonTally
from fieldcrypt.counting.value_counts import ValueCounts
from tests.support.backends import BACKENDS
from tests.support.encryptors import new_encryptor


@pytest.fixture(params=BACKENDS)
def counting(request: pytest.FixtureRequest) -> Encryptor:
    """An Encryptor that counts."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=request.param, count_values=True)


def test_an_encryptor_that_does_not_count_has_the_same_fields_as_ever() -> None:
    """Nothing stands in their way: the class, and what their prepared readers call, are what they were."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend="python")
    field = encryptor.field("patients.ssn", str)
    field.decrypt(field.encrypt("078-05-1120"))
    (reader,) = field._readers.recent.values()
    assert type(field) is Field
    assert type(reader[0]).__name__ == "builtin_function_or_method"  # of `cryptography`


def test_an_encryptor_that_does_not_count_has_no_counts() -> None:
    """An empty mapping, so that readers of it need not ask."""
    encryptor = new_encryptor()
    encryptor.field("patients.ssn", str).encrypt("a")
    assert encryptor.stats().values == {}


def test_counts_cannot_be_changed(counting: Encryptor) -> None:
    """They are a copy of a moment, without a way to write."""
    field = counting.field("patients.ssn", str)
    field.encrypt("a")
    before = counting.stats().values
    field.encrypt("a")
    assert before == {("patients.ssn", None): ValueStats(0, 1)}
    assert not hasattr(before, "__setitem__")
    assert pickle.loads(pickle.dumps(before)) == before


def test_threads_lose_no_count(counting: Encryptor) -> None:
    """Eight at once, on one field."""
    field = counting.field("patients.ssn", str)
    data = field.encrypt("a")

    def work(_: int) -> None:
        for _ in range(2_000):
            field.decrypt(data)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
        assert counting.stats().values["patients.ssn", None] == ValueStats(16_000, 1)


def test_looking_changes_nothing(counting: Encryptor) -> None:
    """However often."""
    counting.field("patients.ssn", str).encrypt("a")
    assert [counting.stats().values["patients.ssn", None].encrypted for _ in range(5)] == [1] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_begins_with_nothing(counting: Encryptor) -> None:
    """So that parent and child together count every value once; a lock that somebody held is free in the child."""
    field = counting.field("patients.ssn", str)
    data = field.encrypt("a")
    field.decrypt(data)
    reading, writing = os.pipe()
    assert counting._value_counts is not None
    with counting._value_counts._lock:
        child = os.fork()
    if not child:
        field.decrypt(data)
        os.write(writing, repr(counting.stats().values).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1000).decode() == "{('patients.ssn', None): ValueStats(decrypted=1, encrypted=0)}"
    assert counting.stats().values["patients.ssn", None] == ValueStats(1, 1)
    os.close(reading)
    os.close(writing)


def test_a_pickle_counts_too() -> None:
    """In a process that does not know the Encryptor; in its own it is the same one."""
    data = pickle.dumps(Encryptor(count_values=True))
    script = "import pickle, sys; print(pickle.load(sys.stdin.buffer)._value_counts is not None)"
    told = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    assert told.stdout.split() == [b"True"]


def test_a_field_of_an_encryptor_that_is_configured_later_counts() -> None:
    """Because models are declared at import."""
    encryptor = Encryptor(count_values=True)
    field = encryptor.field("patients.ssn", str)
    for _ in range(2):
        encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        field.decrypt(field.encrypt("a"))
    assert encryptor.stats().values["patients.ssn", None] == ValueStats(2, 2)


def test_tenants_beyond_the_limit_are_counted_together() -> None:
    """As one, so that a tenant per user does not fill the memory; those of no tenant keep their own."""
    counts = ValueCounts(PythonTally, most=3)
    encrypted, decrypted = counts.of("patients.ssn")
    for tallies in (encrypted, decrypted):
        for number in range(5):
            tallies[f"clinic-{number}"].add(1)
        tallies[None].add(1)
    found = counts.stats()
    assert len(found) == 3 + 2
    assert found["patients.ssn", OTHER_TENANTS] == ValueStats(decrypted=5, encrypted=2)
    assert found["patients.ssn", None] == ValueStats(1, 1)
    counts.reset()
    assert counts.stats() == ValuesByTenant()
