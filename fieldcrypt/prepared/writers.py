"""Prepared writers, which encrypt for a tenant, also many plaintexts at once (SPEC section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from fieldcrypt import _system
from fieldcrypt._base.cache import GenerationCache
from fieldcrypt.backends.python import Crypt
from fieldcrypt.format import envelope
from fieldcrypt.format.aead import GCM_NONCE_SIZE, LONG, Pieces, Xaes256Gcm
from fieldcrypt.format.envelope import HEAD, SALT, SELF_CONTAINED, STORED
from fieldcrypt.keys.live.live_key import Deadline, Lease
from fieldcrypt.keys.live.wiped import unless_wiped
from fieldcrypt.offload import Offload

if TYPE_CHECKING:
    from fieldcrypt.keys.keyring import Keyring

__all__ = ["NO_WRITER", "Writer", "Writers"]

_LIMIT = 4096  # writers kept, one per tenant
_BATCH = 21  # values whose nonces are drawn together: up to 256 bytes the kernel gives without being interrupted

_SPLIT = [Struct(f"{GCM_NONCE_SIZE}s" * number).unpack for number in range(_BATCH + 1)]

# version | key id | salt, infix (empty in a stored value), AESGCM.encrypt, additional data of the field alone, messages
# that the salt may still serve, lease. A plain tuple, because Python unpacks those three times faster than named ones.
Writer = tuple[bytes, bytes, Crypt, bytes, Iterator[bool], Lease]
NO_WRITER = cast("Writer", (b"", b"", None, b"", iter(()), Deadline()))  # whose lease is over


class Writers:
    """The prepared writers of a field, by tenant.

    Args:
        keyring: returns the keyring that is configured.
        offload: does what has to wait.
        context: the canonical encoding of the field's own.

    Attributes:
        recent: the most recently used ones: a tenant with one here, whose lease is at hand, needs no preparation.
    """

    __slots__ = ("_cache", "_context", "_keyring", "_offload", "recent")

    def __init__(self, keyring: Callable[[], Keyring], offload: Offload, context: bytes) -> None:
        self._keyring = keyring
        self._offload = offload
        self._context = context
        self._cache: GenerationCache[str | None, Writer] = GenerationCache(_LIMIT)
        self.recent = self._cache.recent

    def prepare(self, tenant: str | None) -> Writer:
        """Return a writer, with one message taken from its salt for the caller."""
        return unless_wiped(lambda: self._prepare(tenant))

    def _prepare(self, tenant: str | None) -> Writer:
        keyring = self._keyring()
        lease = keyring.for_encryption(tenant, self._offload)
        key = lease.key
        head, infix = envelope.head(STORED, key.key_id), b""
        if keyring.self_contained:
            head, infix = envelope.head(SELF_CONTAINED, key.key_id), envelope.infix(key.record.stored.to_bytes())
        canary = keyring.canaries.number
        writer: Writer = self._made(head, infix, key.sealer(canary), lease)
        self._cache.narrow(keyring.policy.max_cached_keys)
        self._cache.put(tenant, writer)
        if lease.at_hand_until <= _system.monotonic() or keyring.canaries.number != canary:
            self._cache.drop(tenant)  # ended, perhaps by close(), which is past: it serves its caller only
        return writer

    def _made(self, head: bytes, infix: bytes, sealer: Any, lease: Lease) -> Any:
        """Return a writer of values with these first bytes, and this infix."""
        return head + sealer.salt, infix, sealer.encrypt, head + self._context, sealer.messages, lease

    def seal(self, tenant: str | None, plaintexts: Sequence[bytes | Pieces], contexts: Sequence[bytes]) -> list[bytes]:
        """Encrypt plaintexts of one tenant, each under the canonical encoding of its context.

        All are bytes by now, which nobody can change: a process that forks between the draw of the nonces and their use
        encrypts the same twice, and not two values under one nonce.
        """
        number = len(plaintexts)
        if number > _BATCH:
            starts = range(0, number, _BATCH)
            parts = (self.seal(tenant, plaintexts[at : at + _BATCH], contexts[at : at + _BATCH]) for at in starts)
            return [data for part in parts for data in part]
        prefix, infix, encrypt, _, messages, lease = self.recent.get(tenant, NO_WRITER)
        if lease.at_hand_until <= _system.monotonic():
            prefix, infix, encrypt, _, messages, lease = self.prepare(tenant)
            messages = chain((True,), messages)  # with the one that was taken
        head = prefix[HEAD]
        sealed: list[bytes] = []
        nonces = _SPLIT[number](_system.random_bytes(number * GCM_NONCE_SIZE))
        # Unlike lengths: where the salt has no message left, a nonce is dropped, and nothing is taken from the others.
        for nonce, _, plaintext, context in zip(nonces, messages, plaintexts, contexts):  # noqa: B905
            if len(plaintext) > LONG:
                sealed.append(_seal_long(prefix, infix, lease, plaintext, head + context))
            else:
                sealed.append(prefix + nonce + infix + encrypt(nonce, plaintext, head + context))  # type: ignore[arg-type]
        done = len(sealed)
        if done < number:
            self.recent.pop(tenant, None)
            sealed += self.seal(tenant, plaintexts[done:], contexts[done:])
        return sealed

    def clear(self) -> None:
        """Forget them, so that the next value of a tenant asks the keyring again."""
        self._cache.clear()


def _seal_long(prefix: bytes, infix: bytes, lease: Lease, plaintext: bytes | Pieces, aad: bytes) -> bytes:
    """Encrypt a long plaintext under a nonce of its own, so that a draw of nonces does not wait for it."""
    nonce = _system.random_bytes(GCM_NONCE_SIZE)
    pieces = plaintext if isinstance(plaintext, Pieces) else Pieces((plaintext,))
    xaes = cast("Xaes256Gcm", lease.key.xaes)  # a native field does not come here
    return xaes.encrypt_long(prefix + nonce + infix, prefix[SALT] + nonce, pieces, aad)
