"""What all peers are asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Cipher", "Peer", "Record", "each_field"]

T = TypeVar("T")
Record = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cipher(Generic[T]):
    """How to encrypt and to decrypt one kind of value, prepared as well as the library allows.

    Attributes:
        encrypt: a value -> what is stored.
        decrypt: what is stored -> the value.
        size: how many bytes what is stored has.
    """

    encrypt: Callable[[T], Any]
    decrypt: Callable[[Any], T]
    size: Callable[[Any], int] = len


class Peer(Protocol):
    """One way to encrypt fields, with keys that are wrapped where the library does that, and cached.

    Attributes:
        name: of the library, and how it is used if there is more than one way.
        binds: what a value is bound to, so that it decrypts nowhere else: "field", "tenant" or "nothing".
    """

    name: str
    binds: str

    def text(self, field: str) -> Cipher[str]:
        """Return the cipher of a field of texts."""

    def data(self, field: str) -> Cipher[bytes]:
        """Return the cipher of a field of bytes."""

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        """Return the cipher of texts that are stored together and can be told apart."""


def each_field(peer: Peer, fields: Sequence[str]) -> Cipher[Record]:
    """Return the cipher of a record whose fields are encrypted one by one."""
    ciphers = {name: peer.text(name) for name in fields}
    encrypt = [(name, cipher.encrypt) for name, cipher in ciphers.items()]
    decrypt = [(name, cipher.decrypt) for name, cipher in ciphers.items()]
    return Cipher(
        lambda record: {name: of(record[name]) for name, of in encrypt},
        lambda stored: {name: of(stored[name]) for name, of in decrypt},
        lambda stored: sum(cipher.size(stored[name]) for name, cipher in ciphers.items()),
    )
