"""Unwrapped data keys while a process uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple, Self

from fieldcrypt import _system
from fieldcrypt.aead import SALT_SIZE, Xaes256Gcm
from fieldcrypt.keys.data_key import DataKey
from fieldcrypt.keys.record.authentic import AuthenticRecord
from fieldcrypt.keys.records import Purpose

__all__ = ["MESSAGES_PER_SALT", "HeldKey", "Lease", "LiveKey", "Sealer", "Term"]

MESSAGES_PER_SALT = 2**20  # SPEC section 3

# AESGCM.encrypt and .decrypt: (nonce, data, aad) -> bytes
Crypt = Callable[[bytes, bytes, bytes], bytes]


class Sealer(NamedTuple):
    """AES-256-GCM under one random salt, shared by all fields that encrypt under a live key.

    Attributes:
        salt: 12 bytes.
        encrypt: `AESGCM.encrypt` under the salt's subkey.
        messages: yields once for every message that the salt may still serve.
    """

    salt: bytes
    encrypt: Crypt
    messages: Iterator[int]


class Term:
    """How long somebody may go on with what he was given: until a deadline on the monotonic clock, which may move."""

    __slots__ = ("deadline",)

    def __init__(self) -> None:
        self.deadline = float("-inf")


class HeldKey:
    """A data key that was unwrapped, and until when it may be used.

    Attributes:
        purpose: the only one whose data keys may become such keys.
        record: where it came from.
        embedded: True if the record came with a self-contained value and not from the key store.
        made_here: True if this process made the key, so that nobody else can have chosen it.
        lease: the term under which the key is in use for its tenant, if there is one; it ends with the key.
        deadline: when to ask the keyring again, on the monotonic clock, seconds. The hot path looks at nothing else.
        usable_until: until when the keyring lets the key be used while it is being checked.
        expires: `cache_ttl` after the last time that store and provider confirmed the key; a grace counts from here.
        graceless: True if since then the provider said something that may be a refusal. No later outage has a grace.
        verified: encodings of records of this key that are known to be authentic (there are two while values
            from before and after a rewrap are read).
    """

    __slots__ = (
        "deadline",
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
        self.record = record
        self.embedded = embedded
        self.made_here = False
        self.graceless = False
        self.lease: Term | None = None
        self.deadline = self.usable_until = self.expires = float("-inf")
        self.verified = {record.stored.to_bytes()}

    @classmethod
    def of(cls, record: AuthenticRecord, data_key: DataKey, *, embedded: bool) -> Self:
        """Return the key of an authentic record of this purpose and its data key."""
        raise NotImplementedError

    @property
    def key_id(self) -> bytes:
        return self.record.key_id

    @property
    def tenant(self) -> str | None:
        return self.record.tenant

    def end(self) -> None:
        """Take the key out of use; whoever still holds it finds its deadline passed."""
        self.usable_until = self.expires = float("-inf")
        self.deadline = float("-inf")  # last, for those who look at the others without a lock
        if self.lease is not None:
            self.lease.deadline = self.deadline

    def after_fork(self) -> None:
        """Give up what two processes must not share."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a live key cannot be pickled")


class LiveKey(HeldKey):
    """A data key for values, as its cipher."""

    __slots__ = ("_sealer", "_xaes")

    purpose = Purpose.ENCRYPTION

    def __init__(self, record: AuthenticRecord, xaes: Xaes256Gcm, *, embedded: bool) -> None:
        super().__init__(record, embedded=embedded)
        self._xaes = xaes
        self._sealer: Sealer | None = None

    @classmethod
    def of(cls, record: AuthenticRecord, data_key: DataKey, *, embedded: bool) -> Self:
        """Return the key of an authentic record for values and its data key."""
        return cls(record, data_key.cipher(), embedded=embedded)

    def sealer(self) -> Sealer:
        """Return the current sealer, with one message taken from it for the caller."""
        sealer = self._sealer
        if sealer is None or next(sealer.messages, None) is None:
            salt = _system.random_bytes(SALT_SIZE)
            sealer = Sealer(salt, self._xaes.cipher(salt).encrypt, iter(range(MESSAGES_PER_SALT)))
            next(sealer.messages)
            self._sealer = sealer
        return sealer

    def opener(self, salt: bytes) -> Crypt:
        """Return `AESGCM.decrypt` under the subkey of a value's salt."""
        return self._xaes.cipher(salt).decrypt

    @property
    def xaes(self) -> Xaes256Gcm:
        """The cipher itself, for what neither sealer nor opener is made for."""
        return self._xaes

    def after_fork(self) -> None:
        """Have the next sealer take a new salt: after a fork, two processes must not share one."""
        self._sealer = None


class Lease(Term):
    """The live key that encrypts for a tenant, until a deadline on the monotonic clock."""

    __slots__ = ("key",)

    def __init__(self, key: LiveKey) -> None:
        super().__init__()
        self.key = key
        key.lease = self
