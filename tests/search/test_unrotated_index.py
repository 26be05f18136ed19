"""Indexes that do not rotate, because their tags are keys of items: one key for ever, or an error."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from pynamodb.attributes import UnicodeAttribute
from sqlalchemy import String

from fieldcrypt import (
    BlindIndex,
    ConfigurationError,
    Encryptor,
    IndexedBy,
    KeyPolicy,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    ProtectedRecord,
    Protection,
)
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_sqlalchemy import Encrypted
from tests.conftest import Clock
from tests.search.index_process import EMAIL, INDEX, SETTLING, TTL, Process
from tests.support.doubles import CountingProvider, RowStore, make_record


def unrotated(process: Process) -> BlindIndex[str]:
    return process.encryptor.blind_index("a.b", rotates=False)


def rotated(process: Process, clock: Clock) -> None:
    process.rotate()
    clock.advance(2 * SETTLING)


def test_it_tags_under_the_first_key_after_a_rotation(process: Process, other: Process, clock: Clock) -> None:
    """Another index has moved on by then."""
    tag = unrotated(process).tag(EMAIL, tenant="a")
    rotated(process, clock)
    assert process.tag() != tag
    for index in (unrotated(process), unrotated(other)):
        assert index.tag(EMAIL, tenant="a") == tag
        assert index.tags(EMAIL, tenant="a") == [tag]


def test_it_fails_once_the_first_key_is_retired(process: Process, other: Process, clock: Clock) -> None:
    """Under the next key an item of the same value would be another one, and the first would not be found."""
    unrotated(process).tag(EMAIL, tenant="a")
    rotated(process, clock)
    (retired,) = process.retire()
    clock.advance(TTL + 1)
    for index in (unrotated(process), unrotated(other)):
        with pytest.raises(KeyStoreError, match=f"the index key {retired.key_id.hex()} of tenant 'a' is retired"):
            index.tag(EMAIL, tenant="a")
        with pytest.raises(KeyStoreError, match="KeyPolicy"):
            index.tags(EMAIL, tenant="a")


def test_a_policy_that_names_the_retired_key_has_it_go_on(
    process: Process, clock: Clock, provider: CountingProvider, rows: RowStore
) -> None:
    """As the error says."""
    tag = unrotated(process).tag(EMAIL, tenant="a")
    rotated(process, clock)
    (retired,) = process.retire()
    named = Encryptor(provider, rows, policy=KeyPolicy(index_keys={"a": [retired.key_id.hex()]}))
    assert named.blind_index("a.b", rotates=False).tag(EMAIL, tenant="a") == tag


def test_a_key_from_before_not_before_does_not_count(
    process: Process, clock: Clock, provider: CountingProvider, rows: RowStore
) -> None:
    """It may be planted, by somebody who may wrap: its tags would be no secret, and find nothing."""
    planted = unrotated(process).tag(EMAIL, tenant="a")
    clock.advance(SETTLING)
    now = datetime.fromtimestamp(clock.wall(), UTC)
    careful = Encryptor(provider, rows, policy=KeyPolicy(not_before=now))
    tag = careful.blind_index("a.b", rotates=False).tag(EMAIL, tenant="a")
    assert tag != planted
    assert careful.blind_index("a.b", rotates=False).tags(EMAIL, tenant="a") == [tag]


def test_a_planted_record_that_says_it_was_retired_does_not_stop_it(process: Process, rows: RowStore) -> None:
    """Whoever can write to the key store, but has no wrapping key, makes no authentic one."""
    tag = unrotated(process).tag(EMAIL, tenant="a")
    planted = make_record(LocalKeyProvider.generate(), "a", purpose=INDEX, created=1)
    rows.add(planted._replace(state=KeyState.RETIRED))
    assert unrotated(process).tag(EMAIL, tenant="a") == tag


def test_it_is_pickled_as_what_it_is(process: Process) -> None:
    """Or another process would tag under other keys after a rotation."""
    assert "rotates" in repr(unrotated(process).__reduce__())
    declared = IndexedBy("PK", prefix="EMAIL#", rotates=False)
    assert pickle.loads(pickle.dumps(declared)) == declared


def test_one_that_0_1_knows_is_pickled_as_0_1_reads_it() -> None:
    """It unpickles five attributes."""
    assert len(IndexedBy("tag").__getstate__()) == 5
    assert len(IndexedBy("tag", accept_default_key=True).__getstate__()) == 6


def test_a_prefix_that_is_no_text_is_refused() -> None:
    """When it is declared."""
    with pytest.raises(ConfigurationError, match="prefix"):
        IndexedBy("tag", prefix=b"EMAIL#")  # type: ignore[arg-type]


def test_tags_of_a_record_have_the_prefix_that_was_declared(process: Process) -> None:
    """When they are stored, and when they are searched for."""
    how = Protection(str, index=IndexedBy("PK", prefix="EMAIL#"))
    users = ProtectedRecord("users", process.encryptor, fields={"email": how})
    stored = users.encrypt({"email": EMAIL})["PK"]
    assert len(stored.removeprefix("EMAIL#")) == 32
    assert users.tags("email", EMAIL) == [stored]


def test_other_integrations_refuse_what_their_tags_cannot_be() -> None:
    """A prefix, and an index that does not rotate."""
    for index in (IndexedBy("tag", prefix="EMAIL#"), IndexedBy("tag", rotates=False)):
        with pytest.raises(ConfigurationError, match="fieldcrypt_dynamodb"):
            EncryptedAttribute(UnicodeAttribute(), Encryptor(), index=index)
        with pytest.raises(ConfigurationError, match="fieldcrypt_dynamodb"):
            Encrypted(String, Encryptor(), index=index)
