"""Two applications in two regions go on reading and writing while one region at a time fails in every way.

Each region is a KMS server process of its own behind a FaultyProxy, each application prefers its own region, and both
share a key store. There are more tenants than cached keys, keys are cached for a second and there is no grace, so that
most operations need KMS at that very moment.
"""

from __future__ import annotations

import itertools
import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from benchmarks.chaos_burst import PROCESSES, bursts
from benchmarks.chaos_burst import complaints as burst_complaints
from benchmarks.chaos_burst import table as burst_table
from benchmarks.chaos_report import DENIED, HEALTHY, Phase, Report
from benchmarks.chaos_workload import Workload
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table
from fieldcrypt import Encryptor, Field, KeyPolicy, MemoryKeyStore
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws

REGIONS = ("us-east-1", "eu-west-1")
THREADS = 4
SLOW = timedelta(seconds=0.15)  # late, but within the time-out


class Fault(NamedTuple):
    """How things fail.

    Attributes:
        strike: makes them fail in a region of a run.
        again: after so many seconds it strikes again, or not at all.
    """

    strike: Callable[[Chaos, str], None]
    again: float | None = None


FAULTS: Mapping[str, Fault] = {
    "refuse": Fault(lambda chaos, region: chaos.proxies[region].refuse()),
    "hang": Fault(lambda chaos, region: chaos.proxies[region].hang()),
    "reset": Fault(lambda chaos, region: chaos.proxies[region].reset()),
    "delay": Fault(lambda chaos, region: chaos.proxies[region].delay(SLOW)),
    "error": Fault(lambda chaos, region: chaos.proxies[region].error()),
    "throttle": Fault(lambda chaos, region: chaos.proxies[region].throttle()),
    "idle resets": Fault(lambda chaos, region: chaos.proxies[region].forget_connections(), again=0.1),
    "key store": Fault(lambda chaos, region: chaos.fail(region, "KMSInvalidStateException", _SILENT)),
    "clock skew": Fault(lambda chaos, region: chaos.fail(region, "InvalidSignatureException", _SKEWED)),
    "credentials": Fault(lambda chaos, region: chaos.expire_credentials(), again=0.7),
    DENIED: Fault(lambda chaos, region: chaos.deny(region), again=0.1),
}
_SILENT = "The external key store proxy did not respond to the request in the time allotted. Retry the request."
_SKEWED = "Signature expired: 20261129T180000Z is now earlier than 20261129T181000Z (20261129T181500Z - 5 min.)"
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=1), max_cached_keys=24, grace=timedelta(0))
MAX_ROUNDS = 4
_MEANING = (
    "Two applications in two regions, with two threads each, write and read the same data under one multi-Region "
    "key. Each prefers its own region. Every region is a KMS server process of its own behind a proxy that makes one "
    "of them at a time refuse, hang, break off, answer late or with errors, or throttle; reset connections that were "
    "idle; find the clock wrong; or say that the key's external key store is silent. Credentials expire in both "
    "regions at once, again and again. And one region's key policy denies the key while the other resets idle "
    "connections. There are four times as many tenants as cached keys, cached for a second and without grace, so that "
    "no failure hides behind a cached key: the p99 is that of a call of KMS.",
    "A region that is down, resets, fails or throttles costs one quick answer more, now and then. One that hangs "
    "costs the time-out, which is yours to choose, to a few callers and to those who wait for the same key: held up. "
    "One that is merely slow is not passed over. The p99 while a region hangs leaves out those that were held up. "
    "Where its own region denies the key, an application is refused, and stops at once: that is no failure.",
    "Then processes start together, each with one value and one tag of a tenant that has no keys yet, while KMS takes "
    "long enough for all of them to see that. One data key and one index key have to come of it, over a file and over "
    "a table of DynamoDB whose index shows nothing of all that.",
    "Nothing may fail and nothing may be read wrong; while a region hangs, the p99 may be three times the healthy "
    "one, and no more calls may run into the time-out than have to, so that somebody finds out.",
)


class Pace(NamedTuple):
    """How many operations there have to be, and how long things last, in seconds."""

    operations: int
    fault: float
    hang: float  # longer, so that its p99 is one of many operations
    pause: float
    timeout: float
    cooldown: float


FULL = Pace(operations=10_000, fault=4.0, hang=8.0, pause=3.0, timeout=0.5, cooldown=2.0)
QUICK = Pace(operations=1_500, fault=0.4, hang=1.6, pause=0.3, timeout=0.3, cooldown=0.5)


class Chaos:
    """A run over two regions of AWS, each behind its proxy.

    Attributes:
        proxies: those, by region.
    """

    proxies: Mapping[str, FaultyProxy]

    def __init__(self, aws: LocalAws, proxies: Mapping[str, FaultyProxy], seed: int, pace: Pace) -> None:
        self._aws = aws
        self.proxies = proxies
        self._pace = pace
        self._rng = random.Random(seed)
        self._key = aws.create_key()
        self._key_id = self._key.rpartition("/")[2]
        self._policy = aws.kms(REGIONS[0]).get_key_policy(KeyId=self._key_id, PolicyName="default")["Policy"]
        self._access_keys = (f"chaos{number}" for number in itertools.count())
        self._store = MemoryKeyStore()
        self._phases = [Phase()]
        self._workload = Workload(seed, self._phases)
        self._counting = Lock()

    def run(self, on_phase: Callable[[Phase, int], None]) -> Report:
        """Let threads work while faults come and go, until there were enough operations.

        Args:
            on_phase: called with every new phase, and the number of operations so far.
        """
        fields = [self._application(region) for region in REGIONS]
        with ThreadPoolExecutor(THREADS) as executor:
            threads = [
                executor.submit(
                    self._workload.work, number, fields[number % len(fields)], REGIONS[number % len(fields)]
                )
                for number in range(THREADS)
            ]
            try:
                self._let_faults_come_and_go(on_phase)
            finally:
                self._workload.stop()
        for thread in threads:
            thread.result()  # raises what ended it, if not the request to stop
        self._phases.append(Phase("restarted"))
        for region in REGIONS:
            self._workload.read_everything(self._application(region), region)
        return Report.of(
            self._phases,
            self._workload.operations,
            asked=self._pace.operations,
            timeout=self._pace.timeout,
            cooldown=self._pace.cooldown,
            applications=len(fields),
            threads=THREADS,
        )

    def _application(self, home: str) -> Field[str]:
        # Making a client takes a tenth of a second of this process's time, once, which is not what is measured here.
        made = {region: self._client(region) for region in REGIONS}
        provider = AwsKmsKeyProvider(
            self._key,
            regions=[home, *(region for region in REGIONS if region != home)],
            client_factory=lambda region: made.pop(region, None) or self._client(region),
            cooldown=timedelta(seconds=self._pace.cooldown),
        )
        return Encryptor(provider, self._store, policy=POLICY).field("chaos.text", str)

    def _client(self, region: str) -> Any:
        timeout = timedelta(seconds=self._pace.timeout)
        url, access_key = self.proxies[region].url, next(self._access_keys)
        client = self._aws.client("kms", region, timeout, endpoint_url=url, access_key=access_key)
        client.meta.events.register("after-call-error.kms", partial(self._note_timeout, region))
        return client

    def _note_timeout(self, region: str, exception: Exception, **_: Any) -> None:
        if isinstance(exception, (ConnectTimeoutError, ReadTimeoutError)):
            phase = self._phases[-1]
            with self._counting:
                phase.timeouts += region == phase.region

    def _let_faults_come_and_go(self, on_phase: Callable[[Phase, int], None]) -> None:
        for number in range(MAX_ROUNDS):
            for phase in _round(self._rng):
                done = sum(not operation.refused for operation in self._workload.operations)
                if number and done >= self._pace.operations:
                    return  # after one whole round, so that every fault has been there
                on_phase(phase, done)
                self._phases.append(phase)
                self._last(phase)

    def _last(self, phase: Phase) -> None:
        """Let a phase come and go. When this returns all regions are healthy: there are never two that are not."""
        start = time.perf_counter()
        if phase.region:
            fault = FAULTS[phase.fault]
            end = start + (self._pace.hang if phase.fault == "hang" else self._pace.fault)
            while (left := end - time.perf_counter()) > 0:
                fault.strike(self, phase.region)
                time.sleep(left if fault.again is None else min(fault.again, left))
            for proxy in self.proxies.values():
                proxy.healthy()
            if phase.fault == DENIED:
                self._set_policy(phase.region, self._policy)
        else:
            time.sleep(self._pace.pause)
        phase.seconds = time.perf_counter() - start

    def fail(self, region: str, code: str, message: str) -> None:
        """Have a region answer with an error."""
        self.proxies[region].fail(code, message)

    def expire_credentials(self) -> None:
        """Have all clients that were made so far signed with credentials that no region takes any more."""
        for proxy in self.proxies.values():
            proxy.expire_credentials()

    def deny(self, region: str) -> None:
        """Have a region's key policy deny the key, while the others reset connections that were idle."""
        denial = {"Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"}
        policy = json.loads(self._policy)
        self._set_policy(region, json.dumps({**policy, "Statement": [*policy["Statement"], denial]}))
        for other in set(REGIONS) - {region}:
            self.proxies[other].forget_connections()

    def _set_policy(self, region: str, policy: str) -> None:
        self._aws.kms(region).put_key_policy(KeyId=self._key_id, PolicyName="default", Policy=policy)


def _round(rng: random.Random) -> Iterator[Phase]:
    """Every fault in every region in any order, two of three with a pause after them."""
    faults = list(itertools.product(FAULTS, REGIONS))
    rng.shuffle(faults)
    yield Phase()
    for fault, region in faults:
        yield Phase(fault, region)
        if rng.random() < 2 / 3:
            yield Phase()


def run(options: Options) -> Section:
    """Let things fail, and look."""
    pace, seed = QUICK if options.quick else FULL, random.randrange(1_000_000)
    begun = 0

    def on_phase(phase: Phase, done: int) -> None:
        nonlocal begun
        begun += 1
        options.advance(0.04 if begun <= 1 / 0.04 else 0, f"{phase.region} {phase.fault}".strip())

    logging.getLogger("fieldcrypt").addHandler(logging.NullHandler())  # it would tell of every fault
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws(REGIONS, isolated=True))
        proxies = {region: stack.enter_context(FaultyProxy(aws.endpoint(region))) for region in REGIONS}
        report = Chaos(aws, proxies, seed, pace).run(on_phase)
        found = bursts(aws, proxies)
        verbs = ("Decrypt", "Encrypt")
        calls = {f"{verb} in {region}": aws.calls["kms", verb, region] for verb in verbs for region in REGIONS}
    return Section(
        name="chaos",
        title="Chaos: what happens while a region fails",
        summary=(
            f"{report.operations:,} operations while one region's KMS at a time refused, hung, broke off, answered "
            f"late or with errors, throttled, reset idle connections, found the clock wrong or its key store silent, "
            f"or denied the key, and credentials expired: {len(report.failures):,} failed, {report.wrong:,} values "
            f"were wrong. {report.refused:,} were refused, as their own region's key policy said. "
            f"{PROCESSES} processes that started together on a new tenant made "
            f"{_counts(b.data_keys for b in found)} data key and {_counts(b.index_keys for b in found)} index key."
        ),
        meaning=_MEANING,
        tables=(
            report.table(),
            burst_table(found),
            Table("Calls of KMS that were answered", ("call", "count"), tuple((c, f"{n:,}") for c, n in calls.items())),
        ),
        charts=(_chart(report),),
        figures={"seed": seed, "calls": calls, "bursts": [each._asdict() for each in found], **report.figures()},
        complaints=(*report.complaints(), *report.failures[:10], *burst_complaints(found)),
    )


def _counts(counts: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(counts))))


def _chart(report: Report) -> Chart:
    rows = {(row.fault, row.region): row for row in report.rows}
    faults = [HEALTHY, *FAULTS]
    series = (
        [Series("all regions healthy", ((HEALTHY, rows[HEALTHY, ""].p99 * 1000),))] if (HEALTHY, "") in rows else []
    )
    for region in REGIONS:
        points = tuple((fault, rows[fault, region].p99 * 1000) for fault in faults if (fault, region) in rows)
        series.append(Series(f"{region} fails", points))
    return Chart("The slowest hundredth of operations begins here", "bars", tuple(series), y="p99, milliseconds")


BENCHMARK = Benchmark("chaos", "What happens while a region fails", run, seconds=(150, 30))
