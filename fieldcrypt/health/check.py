"""Finding out whether an Encryptor can work: from its live keys, or by trying out what it depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from fieldcrypt import _system
from fieldcrypt.errors import FieldcryptError
from fieldcrypt.format.context import NoTenant
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.health.health import Health, HealthState
from fieldcrypt.health.place import Part, Place
from fieldcrypt.health.trial import CONTRACT, Failure, Trial, try_store, try_stored_key, try_tenant, try_wrapping
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.record import check_tenant

__all__ = ["Inquiry", "check", "check_async", "unconfigured"]

_GOOD_FOR = 60.0  # seconds for which an answer counts where there are no live keys; wrapping costs calls of KMS
_BAD_FOR = 5.0  # seconds for which a failure does
_WHOLE = Place(Part.PROVIDER, Part.PROVIDER.value)


class Inquiry(NamedTuple):
    """What a caller wants to know.

    Attributes:
        deadline: how long to wait.
        probe: try everything out, whatever is known.
        tenant: for whom; None for whatever the process has keys for.
        reads_only: do not try to wrap.
    """

    deadline: timedelta
    probe: bool
    tenant: str | NoTenant | None
    reads_only: bool

    def checked(self) -> Inquiry:
        """Return it.

        Raises:
            TypeError, ValueError: a part is of another type, or out of range.
        """
        if not isinstance(self.deadline, timedelta):
            raise TypeError(f"deadline is a timedelta, not {type(self.deadline).__name__}")
        if self.deadline <= timedelta(0):
            raise ValueError("deadline is longer than nothing")
        if self.tenant is not None and not isinstance(self.tenant, NoTenant):
            check_tenant(self.tenant)
        return self

    @property
    def owner(self) -> str | None:
        """The tenant of the data key that is tried out."""
        return self.tenant if isinstance(self.tenant, str) else None


def unconfigured(cause: str) -> Health:
    """Return the health of an Encryptor without keys."""
    advice = "call encryptor.configure at start-up"
    return Health(HealthState.FAILING, (Finding("this process", "configured", Verdict.FAILED, cause, advice),))


def check(keyring: Keyring, inquiry: Inquiry) -> Health:
    """Return the health of the Encryptor of a keyring (see `Encryptor.check`)."""
    return _known(keyring, inquiry) or _tried_out(keyring, inquiry)


async def check_async(keyring: Keyring, inquiry: Inquiry) -> Health:
    """Do what `check` does, in a thread if it has to wait: not one of the loop's, for those may all be busy.

    Callers with the same inquiry share that thread, and its deadline: probes keep coming during an outage.
    """
    known = _known(keyring, inquiry)
    if known is not None:
        return known
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Health] = loop.create_future()

    def settle(outcome: Health | BaseException) -> None:
        if result.done():  # the caller may have given up
            return
        if isinstance(outcome, BaseException):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)

    def tell(outcome: Health | BaseException) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    keyring.answers.share(inquiry, partial(_tried_out, keyring, inquiry), tell)
    return await result


def _known(keyring: Keyring, inquiry: Inquiry) -> Health | None:
    """Return what the live keys show, if one of them is within its time: both services confirmed it."""
    now = _system.monotonic()
    current = [each for each in keyring.lifetimes(inquiry.tenant) if each.expires > now]
    if inquiry.probe or not current:
        return None
    if any(each.is_overdue for each in current):
        cause = "a live key could not be confirmed again: key provider or key store failed"
        finding = Finding("live keys", "confirmed", Verdict.FAILED, cause, "try out what failed: check(probe=True)")
        return _health(keyring, inquiry, HealthState.DEGRADED, [finding])
    return _health(keyring, inquiry, HealthState.OK, [Finding("live keys", "confirmed", Verdict.OK)])


def _health(keyring: Keyring, inquiry: Inquiry, state: HealthState, findings: Iterable[Finding]) -> Health:
    now, live = _system.monotonic(), keyring.lifetimes(inquiry.tenant)
    return Health(
        state,
        tuple(findings),
        len(live),
        now - max(each.confirmed for each in live) if live else None,
        max((each.ends - now for each in live), default=0.0),
    )


def _tried_out(keyring: Keyring, inquiry: Inquiry) -> Health:
    end = _system.monotonic() + inquiry.deadline.total_seconds()
    questions = {**_of_provider(keyring, inquiry), **_of_store(keyring, inquiry)}
    names: dict[Place, Hashable] = {place: (inquiry.owner, inquiry.reads_only, place) for place in questions}
    answers = {} if inquiry.probe else _remembered(keyring, names.values())
    missing = {names[place]: question for place, question in questions.items() if names[place] not in answers}
    answers |= keyring.answers.ask(missing, max(0.0, end - _system.monotonic()))
    trials = {place: answers.get(name) for place, name in names.items()}
    return _health(keyring, inquiry, _state(keyring, inquiry, trials), _findings(trials, inquiry))


def _remembered(keyring: Keyring, questions: Iterable[Hashable]) -> dict[Hashable, Trial]:
    found = {question: keyring.answers.recent(question) for question in questions}
    return {
        question: kept[0]
        for question, kept in found.items()
        if kept is not None and kept[1] < (_BAD_FOR if kept[0].failure else _GOOD_FOR)
    }


def _of_provider(keyring: Keyring, inquiry: Inquiry) -> dict[Place, Callable[[], Trial]]:
    """Return what to try out of the key provider: each region, and, where there are several, all of them together."""
    name = _WHOLE.name
    if keyring.provider.by_tenant and inquiry.owner is not None:  # looking it up may take as long as anything else
        return {_WHOLE: partial(_guarded, keyring, name, lambda: _try(keyring, inquiry, name, None))}
    provider, connections = keyring.provider.for_tenant(None), dict[Any, Any]()
    try:
        regions = provider.regions()
    except Exception as error:  # noqa: BLE001 (boto3 without the profile that is configured, or somebody's provider)
        trial = _raised(name, "regions", error)
        return {_WHOLE: lambda: trial}
    whole = {} if len(regions) == 1 else {_WHOLE: provider}
    for there in (*regions.values(), *whole.values()):
        there.share(connections)  # a client of its own would take longer to make than its call
    places = whole | {Place(Part.REGION, region): there if whole else provider for region, there in regions.items()}
    return {
        place: partial(_guarded, keyring, place.name, partial(_try, keyring, inquiry, place.name, there))
        for place, there in places.items()
    }


def _of_store(keyring: Keyring, inquiry: Inquiry) -> dict[Place, Callable[[], Trial]]:
    """Return what to try out of the key store: each one, if it is a chain."""
    if keyring.store is None:
        return {}
    stores = getattr(keyring.store, "stores", (keyring.store,))
    questions: dict[Place, Callable[[], Trial]] = {}
    for number, store in enumerate(stores, 1):
        name, tenant = Part.STORE.value if number == 1 else f"{Part.STORE.value} {number}", inquiry.owner
        work = partial(try_store, store, name)
        if number == 1 and tenant is not None:
            work = partial(try_tenant, store, name, tenant)
        questions[Place(Part.STORE, name)] = partial(_guarded, keyring, name, work)
    return questions


def _try(keyring: Keyring, inquiry: Inquiry, place: str, provider: KeyProvider | None) -> Trial:
    """Try a key provider out, and return its failure, or its last success with the time of all."""
    provider = provider or keyring.providers.for_tenant(inquiry.owner)
    if inquiry.reads_only and keyring.store is None:
        return Trial(Finding(place, "unwrap", Verdict.UNKNOWN, "without a key store there is nothing to read it from"))
    if inquiry.reads_only and keyring.store is not None:
        trials = list(try_stored_key(keyring.backend, provider, place, keyring.store, inquiry.owner))
    else:
        trials = list(try_wrapping(keyring.backend, provider, place, inquiry.owner))
    failed = next((trial for trial in trials if trial.failure is not None), None)
    seconds = sum(trial.finding.seconds or 0.0 for trial in trials)
    return failed or trials[-1]._replace(finding=trials[-1].finding._replace(seconds=seconds))


def _guarded(keyring: Keyring, place: str, work: Callable[[], Trial]) -> Trial:
    """Return what `work` returns, or what is wrong with it: no thread may end without an answer."""
    try:
        return keyring.events.watch(work)
    except Exception as error:  # noqa: BLE001 (whatever a key provider or a key store of others raises)
        return _raised(place, "lookup", error)


def _raised(place: str, check: str, error: Exception) -> Trial:
    """Return the failure of a check that raised an error."""
    if isinstance(error, FieldcryptError):
        return Trial(Finding(place, check, Verdict.FAILED, str(error)), Failure.of(error))
    cause = f"it raised {type(error).__name__}, which is no error of fieldcrypt"
    return Trial(Finding(place, "contract", Verdict.FAILED, cause, CONTRACT), Failure.OUTAGE)


def _findings(trials: Mapping[Place, Trial | None], inquiry: Inquiry) -> Iterable[Finding]:
    late = f"no answer within {inquiry.deadline.total_seconds():g} s"
    for place, trial in trials.items():
        finding = Finding(place.name, "answers", Verdict.FAILED, late) if trial is None else trial.finding
        if place != _WHOLE or not _of(Part.REGION, trials) or (trial is not None and trial.failure is not None):
            yield finding  # of all together only what the regions do not show


def _of(part: Part, trials: Mapping[Place, Trial | None]) -> list[Trial | None]:
    return [trial for place, trial in trials.items() if place.part is part]


def _state(keyring: Keyring, inquiry: Inquiry, trials: Mapping[Place, Trial | None]) -> HealthState:
    regions, stores = _of(Part.REGION, trials), _of(Part.STORE, trials)
    whole = trials[_WHOLE] if _WHOLE in trials else regions[0]
    if any(trial is not None and trial.failure is Failure.DECISION for trial in (whole, *stores[:1])):
        return HealthState.FAILING
    # What all regions do together may take longer than a probe waits, if the first of them hangs.
    provider_works = _works(whole) or (whole is None and any(map(_works, regions)))
    if provider_works and (not stores or any(map(_works, stores))):
        everything = all(map(_works, (*regions, *stores)))
        return HealthState.OK if everything else HealthState.DEGRADED
    return HealthState.DEGRADED if keyring.lifetimes(inquiry.tenant) else HealthState.FAILING


def _works(trial: Trial | None) -> bool:
    return trial is not None and trial.failure is None
