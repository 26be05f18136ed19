"""Two applications in two regions go on reading and writing while one region at a time fails in every way.

Each region is a KMS server process of its own behind a FaultyProxy, each application prefers its own region, and both
share a key store. There are more tenants than cached keys, keys are cached for a second and there is no grace, so that
most operations need KMS at that very moment.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from benchmarks.chaos_report import HEALTHY, Phase, Report
from benchmarks.chaos_workload import Workload
from benchmarks.section import Benchmark, Chart, Options, Section, Series, Table
from fieldcrypt import Encryptor, Field, KeyPolicy, MemoryKeyStore
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws

REGIONS = ("us-east-1", "eu-west-1")
THREADS = 4
SLOW = timedelta(seconds=0.15)  # late, but within the time-out
FAULTS: Mapping[str, Callable[[FaultyProxy], None]] = {
    "refuse": FaultyProxy.refuse,
    "hang": FaultyProxy.hang,
    "reset": FaultyProxy.reset,
    "delay": lambda proxy: proxy.delay(SLOW),
    "error": FaultyProxy.error,
    "throttle": FaultyProxy.throttle,
}
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=1), max_cached_keys=24, grace=timedelta(0))
MAX_ROUNDS = 4
_MEANING = (
    "Two applications in two regions, with two threads each, write and read the same data under one multi-Region "
    "key. Each prefers its own region. Every region is a KMS server process of its own behind a proxy that makes one "
    "of them at a time refuse, hang, break off, answer late or with errors, or throttle. There are four times as "
    "many tenants as cached keys, cached for a second and without grace, so that no failure hides behind a cached "
    "key: the p99 is that of a call of KMS.",
    "A region that is down, resets, fails or throttles costs one quick answer more, now and then. One that hangs "
    "costs the time-out, which is yours to choose, to a few callers and to those who wait for the same key: held up. "
    "One that is merely slow is not passed over. The p99 while a region hangs leaves out those that were held up.",
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
    """A run over two regions of AWS, each behind its proxy."""

    def __init__(self, aws: LocalAws, proxies: Mapping[str, FaultyProxy], seed: int, pace: Pace) -> None:
        self._aws = aws
        self._proxies = proxies
        self._pace = pace
        self._rng = random.Random(seed)
        self._key = aws.create_key()
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
                executor.submit(self._workload.work, number, fields[number % len(fields)]) for number in range(THREADS)
            ]
            try:
                self._let_faults_come_and_go(on_phase)
            finally:
                self._workload.stop()
        for thread in threads:
            thread.result()  # raises what ended it, if not the request to stop
        self._phases.append(Phase("restarted"))
        for region in REGIONS:
            self._workload.read_everything(self._application(region))
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
        clients = {region: self._client(region) for region in REGIONS}
        provider = AwsKmsKeyProvider(
            self._key,
            regions=[home, *(region for region in REGIONS if region != home)],
            client_factory=clients.__getitem__,
            cooldown=timedelta(seconds=self._pace.cooldown),
        )
        return Encryptor(provider, self._store, POLICY).field("chaos.text", str)

    def _client(self, region: str) -> Any:
        timeout = timedelta(seconds=self._pace.timeout)
        client = self._aws.client("kms", region, timeout, endpoint_url=self._proxies[region].url)
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
                done = len(self._workload.operations)
                if number and done >= self._pace.operations:
                    return  # after one whole round, so that every fault has been there
                on_phase(phase, done)
                self._phases.append(phase)
                self._last(phase)

    def _last(self, phase: Phase) -> None:
        """Let a phase come and go. When this returns all regions are healthy: there are never two that are not."""
        start = time.perf_counter()
        if phase.region:
            proxy = self._proxies[phase.region]
            FAULTS[phase.fault](proxy)
            time.sleep(self._pace.hang if phase.fault == "hang" else self._pace.fault)
            proxy.healthy()
        else:
            time.sleep(self._pace.pause)
        phase.seconds = time.perf_counter() - start


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
        verbs = ("Decrypt", "Encrypt")
        calls = {f"{verb} in {region}": aws.calls["kms", verb, region] for verb in verbs for region in REGIONS}
    return Section(
        name="chaos",
        title="Chaos: what happens while a region fails",
        summary=(
            f"{report.operations:,} operations while one region's KMS at a time refused, hung, broke off, answered "
            f"late or with errors, or throttled: {len(report.failures):,} failed, {report.wrong:,} values were wrong."
        ),
        meaning=_MEANING,
        tables=(
            report.table(),
            Table("Calls of KMS that were answered", ("call", "count"), tuple((c, f"{n:,}") for c, n in calls.items())),
        ),
        charts=(_chart(report),),
        figures={"seed": seed, "calls": calls, **report.figures()},
        complaints=(*report.complaints(), *report.failures[:10]),
    )


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


BENCHMARK = Benchmark("chaos", "What happens while a region fails", run, seconds=(95, 18))
