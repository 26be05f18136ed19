"""The type of records that were opened: there is no way to one but by a data key that fits."""

from __future__ import annotations

import pickle

import pytest

from fieldcrypt import DecryptionError, KeyState, LocalKeyProvider
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from tests.support.doubles import make_record

PROVIDER = LocalKeyProvider.generate()
RECORD = make_record(PROVIDER, "A")
DATA_KEY = DataKey(PROVIDER.unwrap(RECORD.wraps, RECORD.context()))


@pytest.mark.parametrize(
    "changed",
    [
        RECORD._replace(created=RECORD.created + 1),
        RECORD._replace(tenant="B"),
        RECORD._replace(key_id=bytes(16)),
        RECORD._replace(tag=bytes(32)),
    ],
)
def test_what_was_changed_is_not_authentic(changed: object) -> None:
    """Another date, tenant, id or tag than the maker of the data key wrote."""
    with pytest.raises(DecryptionError, match="not authentic"):
        AuthenticRecord(changed, DATA_KEY)  # type: ignore[arg-type]


def test_another_data_key_does_not_vouch() -> None:
    """Only the record's own data key does."""
    with pytest.raises(DecryptionError, match="not authentic"):
        AuthenticRecord(RECORD, DataKey.generate())


def test_the_state_is_the_key_stores() -> None:
    """It is taken from wherever it was read last, and nothing else is."""
    record = AuthenticRecord(RECORD, DATA_KEY)
    retired = record.in_state(KeyState.RETIRED)
    assert retired.stored == RECORD._replace(state=KeyState.RETIRED)
    assert (retired.age, retired.tenant, retired.state) == (record.age, "A", KeyState.RETIRED)
    assert record.state is KeyState.ACTIVE


def test_a_pickle_is_none() -> None:
    """It would be as good as its bytes, which anybody can write."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(AuthenticRecord(RECORD, DATA_KEY))
