"""The simulation of fleets counts what real processes do, and says what KMS is asked for by whom."""

from __future__ import annotations

import math
import os
import random
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aws_encryption_sdk import CachingCryptoMaterialsManager, CommitmentPolicy, LocalCryptoMaterialsCache
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.materials_managers import (
    DecryptionMaterials,
    DecryptionMaterialsRequest,
    EncryptionMaterials,
    EncryptionMaterialsRequest,
)
from aws_encryption_sdk.materials_managers.base import CryptoMaterialsManager
from aws_encryption_sdk.structures import DataKey, EncryptedDataKey, MasterKeyInfo

from benchmarks.kms.agreement import ALL, BOTH, Agreement, compare, small_fleet
from benchmarks.kms.contained import simulate_contained
from benchmarks.kms.contestants import CONTAINED, CONTESTANTS, ONE_CALL, SDK, STORED, Effort, outcome
from benchmarks.kms.fleet import DAY, MONTH, Fleet
from benchmarks.kms.sample import Outcome, busiest, exceeding
from benchmarks.kms.sdk_cache import SdkCache, SdkPolicy, simulate_sdk
from benchmarks.kms.service import Kms, Latency, Tariff
from benchmarks.kms.shared_keys import SharedKeys
from benchmarks.kms.stored import StoredProcess, simulate_stored
from benchmarks.kms.virtual_time import VirtualTime
from fieldcrypt import Encryptor, _system

TTL = 900.0
TARIFF, LATENCY = Tariff(), Latency()
SMALL = Fleet(processes=20, values=2e8, tenants=5)  # four values a second and process
EFFORT = Effort(400)
ALGORITHM = Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA256


def stored(fleet: Fleet) -> Outcome:
    return outcome(STORED, fleet, EFFORT, TARIFF, LATENCY)


def test_simulated_and_real_calls_agree() -> None:
    """Real processes with AwsKmsKeyProvider, and KMS over HTTP; a machine that is busy is given a second chance."""
    for seed in (1, 2):
        (both,) = [one for one in compare(small_fleet(life=4.0), 1, seed) if (one.form, one.operation) == (BOTH, ALL)]
        if both.agrees:
            break
    assert both.real >= 150
    assert both.agrees, both


def test_a_day_takes_no_day() -> None:
    """Time is virtual."""
    began = time.monotonic()
    sample = simulate_stored(replace(SMALL, tenants=1), LATENCY, processes=1, window=DAY, seed=1)
    assert sample.window == DAY
    assert time.monotonic() - began < 30


def test_a_seed_repeats_a_run() -> None:
    """And another one does not."""
    runs = [simulate_stored(SMALL, LATENCY, processes=2, window=2 * TTL, seed=seed).calls for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("other", [Effort(400, seed=2), Effort(1200, seed=3)])
def test_samples_agree(other: Effort) -> None:
    """Neither chance nor the number of simulated processes matters much."""
    assert outcome(STORED, SMALL, other, TARIFF, LATENCY).calls == pytest.approx(stored(SMALL).calls, rel=0.1)


def test_calls_do_not_grow_with_values() -> None:
    """Once every data key is in use all the time, a hundred times as many values take as many calls."""
    many = replace(SMALL, values=100 * SMALL.values, recent=1.0, tenants=1)
    assert stored(replace(many, values=100 * many.values)).calls == pytest.approx(stored(many).calls, rel=0.1)


def test_calls_grow_with_processes_and_regions() -> None:
    """In proportion to them, if each has as much to do; and each region has its share."""
    more = replace(SMALL, processes=200, values=10 * SMALL.values, regions=2)
    found = stored(more)
    assert found.calls == pytest.approx(10 * stored(SMALL).calls, rel=0.1)
    assert sum(found.by_region) == pytest.approx(found.calls)
    assert found.by_region[0] == pytest.approx(found.by_region[1], rel=0.2)


@pytest.mark.parametrize("asked", ["at every use", "after the deadline"])
def test_what_is_left_out_makes_no_difference(asked: str) -> None:
    """Genuine fields, and a keyring asked at every use or only once a deadline has passed: the same calls of KMS."""
    rng = random.Random(1)
    uses = [(rng.uniform(0, 6 * TTL), rng.randrange(4), rng.random() < 0.3) for _ in range(2000)]
    uses += [(float(tenant), tenant, True) for tenant in range(4)]
    calls = calls_of(uses, asked)
    assert calls == calls_of(uses, "by fields")
    assert len(calls) > 4 * 6


def calls_of(uses: list[tuple[float, int, bool]], asked: str) -> list[tuple[str, int, float]]:
    """Return the calls of a process that uses tenants at these times, to write (True) or to read."""
    fleet = replace(SMALL, tenants=4, history=0.0)
    with VirtualTime(1) as now:
        # Fields need more of it than keyrings; what is left of the seed is when keys are checked.
        _system.random_bytes = os.urandom
        kms = Kms(now, LATENCY, random.Random(1))
        keys = SharedKeys(fleet, kms, now, 1, None, lambda *_: None)
        process = StoredProcess(fleet, kms, keys, 0)
        field = Encryptor(kms.at(0), keys.at(0)).field("a.b")
        values: dict[int, bytes] = {}
        deadlines: dict[tuple[int, bool], float] = {}

        def use(tenant: int, writes: bool) -> None:
            if asked == "by fields" and writes:
                values[tenant] = field.encrypt(b"", tenant=str(tenant))
            elif asked == "by fields":
                field.decrypt(values[tenant])
            elif asked == "at every use" or deadlines.get((tenant, writes), -math.inf) <= now.now:
                deadlines[tenant, writes] = process.write(tenant) if writes else process.read(keys.newest(tenant))

        for moment, tenant, writes in sorted(uses):
            if writes or moment > 4:
                now.at(now.start + moment, partial(use, tenant, writes))
        now.run(math.inf)
        return [(call.operation, call.tenant, call.time) for call in kms.calls]


def test_a_rotation_is_simulated_too() -> None:
    """The next data key is made once, opened by every process that writes, and read by all that read."""
    fleet = replace(SMALL, tenants=1, regions=2)
    sample = simulate_stored(fleet, LATENCY, processes=8, window=2 * TTL, seed=1, together=TTL)
    made = [call for call in sample.calls if call.operation == "Encrypt"]
    opened = [call for call in sample.calls if TTL - 2 < call.time < TTL + 60]
    assert 1 <= len(made) <= 3
    assert abs(made[0].time - TTL) < 10
    assert len(opened) >= 8


def test_a_fleet_that_begins_together_does_not_go_on_together() -> None:
    """All processes want the key in the first seconds. Their checks are spread over minutes."""
    fleet = Fleet(processes=200, values=200 * 10 * MONTH, history=1.0)
    sample = simulate_stored(fleet, LATENCY, processes=200, window=TTL, seed=1)
    seconds = Counter(int(call.time) for call in sample.calls)
    assert seconds[0] > 150
    assert max(count for second, count in seconds.items() if second > 60) < 20


def test_who_needs_more_calls() -> None:
    """A key store saves most, then values that carry their keys, then a cache in which every writer has its own."""
    calls = [outcome(contestant, SMALL, EFFORT, TARIFF, LATENCY).calls for contestant in CONTESTANTS]
    assert CONTESTANTS == (STORED, CONTAINED, SDK, ONE_CALL)
    assert calls == sorted(calls)
    assert calls[0] < 0.1 * calls[-1]


def test_one_call_a_value_is_the_whole_bill() -> None:
    """Three dollars a million; all reads wait, and the quota is the limit."""
    fleet = Fleet(processes=1, values=1e9, regions=2)
    found = Outcome.of_one_call_a_value(fleet, TARIFF, LATENCY)
    assert (found.calls, found.dollars, found.waiting) == (1e9, 3000.0, 1.0)
    assert found.p99 == pytest.approx(LATENCY.p99)
    assert found.by_region == (5e8, 5e8)


def test_seconds_over_the_quota() -> None:
    """Half of them at the quota, none far below, all far above; the busiest of a day is some way above the mean."""
    assert exceeding(10_000, 10_000) == pytest.approx(0.5, abs=0.01)
    assert exceeding(9_000, 10_000) < 1e-9
    assert exceeding(12_000, 10_000) > 0.999
    assert 100 < busiest(100) < 150


def test_the_cache_of_the_sdk_has_its_limits() -> None:
    """A data key is for so long, so many messages and so many entries; readers do not profit from writers."""
    cache = SdkCache(SdkPolicy(max_age=10, max_messages=2, capacity=2))
    assert [cache.encrypt("a", 0), cache.encrypt("a", 1), cache.encrypt("a", 2)] == [True, False, True]
    assert [cache.decrypt("a", 2), cache.decrypt("a", 12), cache.decrypt("a", 12.5)] == [True, False, True]
    assert [cache.decrypt("b", 13), cache.decrypt("a", 13), cache.decrypt("c", 13)] == [True, False, True]
    assert [cache.decrypt("a", 13), cache.decrypt("b", 13)] == [False, True]


class Counting(CryptoMaterialsManager):  # type: ignore[misc]  # the SDK has no types
    """Makes data keys, and counts them, in the place of KMS."""

    def __init__(self) -> None:
        self.made = 0
        self.decrypted = 0
        self._key = DataKey(MasterKeyInfo("a", "b"), bytes(32), b"c")

    def get_encryption_materials(self, request: Any) -> Any:
        self.made += 1
        return EncryptionMaterials(
            algorithm=ALGORITHM, data_encryption_key=self._key, encrypted_data_keys=set(), encryption_context={}
        )

    def decrypt_materials(self, request: Any) -> Any:
        self.decrypted += 1
        return DecryptionMaterials(data_key=self._key)


@pytest.mark.parametrize("most", [2**32, 10])
def test_the_cache_of_the_sdk_does_what_the_sdk_does(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """The same uses, through aws-encryption-sdk itself: as many data keys are made and decrypted."""
    rng, clock = random.Random(1), 0.0
    monkeypatch.setattr(time, "time", lambda: clock)
    ours, theirs = SdkCache(SdkPolicy(TTL, max_messages=most)), Counting()
    manager = CachingCryptoMaterialsManager(
        cache=LocalCryptoMaterialsCache(10_000),
        max_age=TTL,
        max_messages_encrypted=most,
        backing_materials_manager=theirs,
    )
    made = decrypted = 0
    how = {"algorithm": ALGORITHM, "commitment_policy": CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT}
    for _ in range(4000):
        clock += rng.expovariate(1.0)
        tenant, writer = min(int(rng.paretovariate(0.7)), 30), rng.randrange(3)
        context = {"tenant": str(tenant)}
        if rng.random() < 0.3:
            made += ours.encrypt(tenant, clock)
            manager.get_encryption_materials(
                EncryptionMaterialsRequest(encryption_context=context, frame_length=4096, plaintext_length=64, **how)
            )
        else:
            decrypted += ours.decrypt((tenant, writer), clock)
            wrapped = EncryptedDataKey(MasterKeyInfo("aws-kms", "x"), f"{tenant} {writer}".encode())
            manager.decrypt_materials(
                DecryptionMaterialsRequest(encryption_context=context, encrypted_data_keys={wrapped}, **how)
            )
    assert (theirs.made, theirs.decrypted) == (made, decrypted)
    assert made < decrypted < 4000


def test_the_cache_of_the_sdk_costs_what_theory_says() -> None:
    """A key that is used at a rate is fetched once in its age and the mean time to the next use."""
    fleet = Fleet(processes=1, values=MONTH / 100, reads=0.0, lifetime=100 * DAY)
    sample = simulate_sdk(fleet, LATENCY, processes=1, window=100 * DAY, seed=1)
    assert len(sample.calls) == pytest.approx(100 * DAY / (TTL + 100), rel=0.05)


def test_self_contained_values_cost_each_reader_each_writer() -> None:
    """With ten times as many processes there are ten times as many data keys for every reader."""
    fleet = Fleet(processes=4, values=4e6, recent=1.0, recent_age=1.0, history=0.0)
    few = simulate_contained(fleet, LATENCY, processes=4, window=2 * TTL, seed=1)
    many = simulate_contained(
        replace(fleet, processes=16, values=4 * fleet.values), LATENCY, processes=16, window=2 * TTL, seed=1
    )
    assert len(many.calls) == pytest.approx(16 * len(few.calls), rel=0.25)


@pytest.mark.parametrize(("simulated", "agrees"), [(1099.0, True), (1101.0, False), (901.0, True), (899.0, False)])
def test_disagreement_of_more_than_a_tenth_is_found(simulated: float, agrees: bool) -> None:
    """Unless there are so few calls that chance makes it."""
    assert Agreement(BOTH, ALL, 1000, simulated, ()).agrees is agrees
    assert Agreement(BOTH, ALL, 10, 20.0, ()).agrees


def test_some_tenants_stand_for_all() -> None:
    """The busiest for themselves, the others for their neighbours; together for everybody."""
    fleet = replace(SMALL, tenants=1000)
    chosen = fleet.some_tenants(8.0, random.Random(1))
    assert sum(chosen.values()) == pytest.approx(1000)
    assert (len(chosen), chosen[0], chosen[39]) == (40 + 120, 1, 1)
    share = sum(weight * fleet.popularity[tenant] for tenant, weight in chosen.items())
    assert share == pytest.approx(1, rel=0.02)
