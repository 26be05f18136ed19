"""Unwrapped data keys while a process uses them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from fieldcrypt import _system
from fieldcrypt.backends import Cipher
from fieldcrypt.backends.backend import Sealer
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import Purpose

__all__ = ["MESSAGES_PER_SALT", "CachedKey", "KeyLease", "Lease", "LiveKey", "Deadline"]

MESSAGES_PER_SALT = 2**20  # SPEC section 3
_AT_HAND = 10.0  # seconds after which users of a key come back, so that the wall clock is checked too


class Deadline:
    """A deadline on the monotonic clock that may be moved.

    Attributes:
        at_hand_until: when to ask the keyring again, on the monotonic clock, seconds. The hot path checks nothing else.
            It is well before the deadline, because the keyring also checks what the monotonic clock does not show.
    """

    __slots__ = ("_deadline", "at_hand_until")

    def __init__(self) -> None:
        self._deadline = self.at_hand_until = float("-inf")

    @property
    def deadline(self) -> float:
        """When the keyring has to do something, on the monotonic clock, seconds."""
        return self._deadline

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self._deadline = moment
        self.extend()

    def extend(self) -> None:
        """Keep it at hand for some more seconds, within the deadline."""
        self.at_hand_until = min(self._deadline, _system.monotonic() + _AT_HAND)
        if self._deadline < self.at_hand_until:  # ended just now; looked at last, for what ends it sets this last
            self.at_hand_until = self._deadline

    def bring_forward(self, seconds: float) -> None:
        """Count lost time: have the keyring check it now. The keys it depends on are brought forward separately."""
        self.deadline = min(self.deadline, _system.monotonic())


class CachedKey(Deadline):
    """A data key that was unwrapped, and until when it may be used.

    Attributes:
        purpose: the only one whose data keys may become such keys.
        record: where it came from.
        embedded: True if the record came with a self-contained value and not from the key store.
        made_here: True if this process made the key, so that no one else can have chosen it.
        lease: the deadline until which the key is in use for its tenant, if there is one; it ends with the key.
        deadline: when to check the key with store and provider.
        usable_until: until when the key may be used while it is being checked.
        confirm_at: when to ask both key store and provider; before that, at most the store is asked.
        expires: `cache_ttl` after store and provider last confirmed the key; a grace starts here.
        graceless: True if the provider has since said something that may be a refusal. Then no outage has a grace.
        verified: encodings of records of this key that are known to be authentic (there are two while values
            from before and after a rewrap are read).
    """

    __slots__ = (
        "confirm_at",
        "embedded",
        "expires",
        "graceless",
        "lease",
        "made_here",
        "record",
        "usable_until",
        "verified",
    )

    purpose: ClassVar[Purpose]

    def __init__(self, record: AuthenticRecord, *, embedded: bool) -> None:
        super().__init__()
        self.record = record
        self.embedded = embedded
        self.made_here = False
        self.graceless = False
        self.lease: Deadline | None = None
        self.usable_until = self.expires = self.confirm_at = float("-inf")
        self.verified = {record.stored.to_bytes()}

    @classmethod
    def from_record(cls, record: AuthenticRecord, data_key: DataKey, *, embedded: bool) -> Self:
        """Return the key of an authentic record of this purpose and its data key."""
        raise NotImplementedError

    @property
    def key_id(self) -> bytes:
        return self.record.key_id

    @property
    def tenant(self) -> str | None:
        return self.record.tenant

    def end(self) -> None:
        """Take the key out of use; its holders find its deadline passed."""
        self.usable_until = self.expires = self.confirm_at = float("-inf")
        self.deadline = float("-inf")  # last, for code that reads the others without a lock
        if self.lease is not None:
            self.lease.deadline = self.deadline

    def wipe(self) -> None:
        """Wipe what is left of a key that has ended; natively, what still holds it has to ask the keyring again."""

    @property
    def is_wiped(self) -> bool:
        """Whether it cannot be used any more."""
        return False

    def bring_forward(self, seconds: float) -> None:
        """Count lost time as if it had passed; this process may also have become a clone of another one."""
        self.expires -= seconds
        self.usable_until -= seconds
        self.confirm_at -= seconds
        self.deadline -= seconds
        self.after_fork()

    def look_by(self, time: float) -> None:
        """Make users of the key ask the keyring by then, on the monotonic clock."""
        self.deadline = min(self.deadline, time)
        if self.lease is not None:
            self.lease.deadline = min(self.lease.deadline, time)

    def after_fork(self) -> None:
        """Drop what two processes must not share."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a live key cannot be pickled")


class LiveKey(CachedKey):
    """A data key for values, as its cipher.

    Attributes:
        canary_salts: by which its canaries are recognised (SPEC section 15).
    """

    __slots__ = ("_canary_sealers", "_sealer", "_xaes", "canary_salts")

    purpose = Purpose.ENCRYPTION

    def __init__(
        self, record: AuthenticRecord, xaes: Cipher, *, embedded: bool, canary_salts: tuple[bytes, ...] = ()
    ) -> None:
        super().__init__(record, embedded=embedded)
        self._xaes = xaes
        self.canary_salts = canary_salts
        self._sealer: Sealer | None = None
        self._canary_sealers: dict[int, Sealer] = {}

    @classmethod
    def from_record(cls, record: AuthenticRecord, data_key: DataKey, *, embedded: bool) -> Self:
        """Return the key of an authentic record for values and its data key."""
        return cls(record, data_key.cipher(), embedded=embedded, canary_salts=data_key.canary_salts())

    def sealer(self, canary: int | None = None) -> Sealer:
        """Return the current sealer, with one message taken from it for the caller.

        Args:
            canary: the number of a salt of canaries, if it is to write these.

        Raises:
            ConfigurationError: this process has written all canaries that the salt may serve.
        """
        if canary is not None:
            return self._canary_sealer(canary)
        sealer = self._sealer
        if sealer is None or not next(sealer.messages, False):
            sealer = self._xaes.sealer(_system.random_bytes, MESSAGES_PER_SALT)
            next(sealer.messages)
            self._sealer = sealer
        return sealer

    def _canary_sealer(self, number: int) -> Sealer:
        sealer = self._canary_sealers.get(number)
        if sealer is None:
            made = self._xaes.sealer_of(self.canary_salts[number], MESSAGES_PER_SALT)
            sealer = self._canary_sealers.setdefault(number, made)
        if not next(sealer.messages, False):
            raise ConfigurationError(f"a process writes at most {MESSAGES_PER_SALT:,} canaries under one salt")
        return sealer

    def wipe(self) -> None:
        """Wipe the cipher, also in prepared writers and readers."""
        self._sealer = None
        self._canary_sealers.clear()
        self._xaes.wipe()

    @property
    def is_wiped(self) -> bool:
        return self._xaes.is_wiped

    @property
    def xaes(self) -> Cipher:
        """The cipher of the data key: for readers, which need that of a salt, and for long values."""
        return self._xaes

    def after_fork(self) -> None:
        """Make the next sealer take a new salt: after a fork, two processes must not share one."""
        self._sealer = None


class KeyLease(Deadline):
    """The keys of a tenant, until a deadline on the monotonic clock.

    Attributes:
        keys: the keys.
        usable_until: until when they may be used while it is looked for others.
    """

    __slots__ = ()

    keys: Any  # Sequence[CachedKey]; Any, for here it is a property and there a variable
    usable_until: Any  # float

    def end(self) -> None:
        """Make its holders come back."""
        self.deadline = float("-inf")


class Lease(KeyLease):
    """The live key that encrypts for a tenant, until a deadline on the monotonic clock."""

    __slots__ = ("key",)

    def __init__(self, key: LiveKey) -> None:
        super().__init__()
        self.key = key
        key.lease = self

    @property
    def keys(self) -> tuple[LiveKey]:
        return (self.key,)

    @property
    def usable_until(self) -> float:
        return self.key.usable_until
