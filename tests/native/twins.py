"""The same Encryptor twice, in Python and natively, under the same keys and the same randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

from fieldcrypt import Encryptor, Field, LocalKeyProvider, MemoryKeyStore, _system
from tests.support.backends import NATIVE
from tests.support.strategies import fingerprint

__all__ = ["SAME_BYTES", "Outcome", "Pair", "Twins"]

SAME_BYTES = NATIVE != "native-fips"  # whose module draws nonces itself
_TODAY = 1_795_445_340.0


class Outcome(NamedTuple):
    """What a call returned, or raised: the error's type, text, attributes, notes and causes."""

    value: Any = None
    error: Any = None

    @classmethod
    def of(cls, call: Callable[[], Any]) -> Outcome:
        """Call, and return what came of it."""
        try:
            return cls(call())
        except Exception as error:  # noqa: BLE001 (whatever it is, both have to raise the same)
            return cls(error=_described(error))

    @property
    def told(self) -> Any:
        """What two outcomes have in common if they are the same."""
        return self.error if self.error is not None else fingerprint(self.value)


def _described(error: BaseException | None) -> Any:
    if error is None:
        return None
    return (
        type(error),
        str(error),
        error.args,
        vars(error),
        _described(error.__cause__),
        _described(error.__context__),
    )


class Pair(NamedTuple):
    """A field of each of the twins."""

    python: Field[Any]
    native: Field[Any]


class Twins:
    """Two Encryptors, and two streams of the same randomness, of which each has its own.

    Args:
        seed: of the randomness.
        stored: whether they have a key store each; else their values are self-contained.
    """

    def __init__(self, seed: int, *, stored: bool = True) -> None:
        self._streams = [Random(seed), Random(seed)]
        self._now = 1_000.0
        local_key = Random(seed).randbytes(32)
        self.encryptors = [
            Encryptor(LocalKeyProvider(local_key), MemoryKeyStore() if stored else None, backend=name)
            for name in ("python", NATIVE)
        ]

    def field(self, name: str, type: Any, **options: Any) -> Pair:
        """Declare a field of both."""
        return Pair(*(encryptor.field(name, type, **options) for encryptor in self.encryptors))

    def both(self, python: Callable[[], Any], native: Callable[[], Any]) -> tuple[Outcome, Outcome]:
        """Do the same with each of the twins, each under its own stream of the same randomness."""
        outcomes = []
        self._now += 1
        for stream, call in zip(self._streams, (python, native), strict=True):
            _system.random_bytes = stream.randbytes
            outcomes.append(Outcome.of(call))
        return outcomes[0], outcomes[1]

    def clock(self) -> float:
        """Return the time, which goes on by a second with each thing that both do."""
        return self._now

    def check_draws(self) -> None:
        """Check that both have drawn the same number of bytes."""
        if SAME_BYTES:
            assert self._streams[0].getstate() == self._streams[1].getstate()

    @classmethod
    @contextmanager
    def made(cls, seed: int, *, stored: bool = True) -> Iterator[Twins]:
        """Have the seam to the system stand in for randomness and the calendar, for so long.

        Without key stores also for the clock: how many key records are tried per second is limited.
        """
        before = _system.random_bytes, _system.wall_clock, _system.monotonic
        _system.wall_clock = lambda: _TODAY
        try:
            twins = cls(seed, stored=stored)
            if not stored:
                _system.monotonic = twins.clock
            yield twins
            twins.check_draws()
        finally:
            _system.random_bytes, _system.wall_clock, _system.monotonic = before
