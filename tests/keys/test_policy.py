"""Key policies: limits that make sense, or an error."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from fieldcrypt import NO_TENANT, KeyPolicy

TIMES = ["cache_ttl", "grace", "rotate_after", "propagation_delay", "replication_wait"]
NUMBERS = ["max_cached_keys", "unknown_records_per_second"]


def test_the_limits_are_kept() -> None:
    """A policy has the limits that it was given, and its repr shows them."""
    policy = KeyPolicy(timedelta(1), 2, timedelta(3), timedelta(5), timedelta(4), timedelta(6))
    limits = [getattr(policy, name) for name in ("cache_ttl", "max_cached_keys", *TIMES[1:])]
    assert limits == [timedelta(1), 2, timedelta(3), timedelta(5), timedelta(4), timedelta(6)]
    assert "max_cached_keys=2" in repr(policy)
    assert "grace=datetime.timedelta(days=3)" in repr(policy)


def test_zero_is_a_limit() -> None:
    """No cache, no grace, no delay, no wait and a single key are all allowed."""
    times: dict[str, Any] = dict.fromkeys(("cache_ttl", "grace", "propagation_delay", "replication_wait"), timedelta(0))
    assert KeyPolicy(**times, max_cached_keys=1)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [900, 900.0, "15m", None])
def test_times_are_timedeltas(name: str, value: Any) -> None:
    """A number without a unit is a TypeError that names the limit."""
    with pytest.raises(TypeError, match=f"{name} is a timedelta"):
        KeyPolicy(**{name: value})


@pytest.mark.parametrize("name", TIMES)
def test_times_are_not_negative(name: str) -> None:
    """A negative time is a ValueError that names the limit."""
    with pytest.raises(ValueError, match=f"{name} cannot be negative"):
        KeyPolicy(**{name: timedelta(microseconds=-1)})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, 10.0, "10", None])
def test_keys_are_counted_in_ints(name: str, value: Any) -> None:
    """A number of keys that is no int is a TypeError."""
    with pytest.raises(TypeError, match=name):
        KeyPolicy(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1])
def test_a_process_keeps_a_key(name: str, value: Any) -> None:
    """Fewer keys than one is a ValueError."""
    with pytest.raises(ValueError, match=name):
        KeyPolicy(**{name: value})


@pytest.mark.parametrize("delay", [timedelta(days=90), timedelta(days=91)])
def test_keys_are_used_before_they_are_followed(delay: timedelta) -> None:
    """A delay as long as the time to the next rotation is a ValueError: no key would ever be in use."""
    with pytest.raises(ValueError, match="rotate_after must be longer than propagation_delay"):
        KeyPolicy(rotate_after=timedelta(days=90), propagation_delay=delay)


def test_the_earliest_key_is_one_of_a_full_second() -> None:
    """Keys are dated in seconds: what is made in the same second as `not_before` but ahead of it does not encrypt."""
    moment = datetime(2026, 11, 29, 12, 0, 0, 1, timezone(timedelta(hours=2)))
    assert KeyPolicy(not_before=moment).earliest == datetime(2026, 11, 29, 10, 0, 1, tzinfo=UTC).timestamp()
    assert KeyPolicy().earliest == float("-inf")


@pytest.mark.parametrize(("value", "error"), [(datetime(2026, 11, 29), ValueError), (1_800_000_000, TypeError)])
def test_a_moment_is_the_same_everywhere(value: Any, error: type[Exception]) -> None:
    """A datetime without an offset would mean another moment on each machine; a number has no unit."""
    with pytest.raises(error, match="not_before"):
        KeyPolicy(not_before=value)


ID, OTHER = bytes(range(16)), bytes(16)


def test_index_keys_are_named_in_either_form() -> None:
    """Bytes or hexadecimal digits, for a tenant or for none, in whichever spelling."""
    policy = KeyPolicy(index_keys={"clinic-7": [ID.hex(), OTHER, ID], NO_TENANT: iter([OTHER])})
    assert policy.index_keys == {"clinic-7": (ID, OTHER), None: (OTHER,)}
    assert pickle.loads(pickle.dumps(policy)).index_keys == policy.index_keys


@pytest.mark.parametrize(
    ("index_keys", "error"),
    [
        ({"clinic-7": [ID[:15]]}, "16 bytes"),
        ({"clinic-7": ["no digits, and so many characters"]}, "32 hexadecimal digits"),
        ({"clinic-7": []}, "no key of 'clinic-7'"),
        ({None: [ID], NO_TENANT: [ID]}, "twice"),
        ({"": [ID]}, "tenant"),
    ],
)
def test_index_keys_that_are_none(index_keys: Any, error: str) -> None:
    """A misspelt id, or none at all, is a ValueError now and not when somebody searches."""
    with pytest.raises(ValueError, match=error):
        KeyPolicy(index_keys=index_keys)


@pytest.mark.parametrize(
    "how",
    [
        {"index_keys": {"a": ID.hex()}},
        {"index_keys": {"a": [1]}},
        {"index_keys": [ID]},
        {"own_keys_only": 1},
    ],
)
def test_what_is_no_list_of_keys(how: Any) -> None:
    """A single id in place of a list is a TypeError: its digits would be taken for ids."""
    with pytest.raises(TypeError):
        KeyPolicy(**how)
