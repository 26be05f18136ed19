"""fieldcrypt, in both of its forms."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from benchmarks.peers.peer import Cipher, Record, each_field
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.spi import FieldGroup

__all__ = ["PEERS"]


class Fieldcrypt:
    """Fields of an Encryptor with a local key."""

    binds = "field"

    def __init__(self, name: str, keys: Encryptor) -> None:
        self.name = name
        self._keys = keys

    def text(self, field: str) -> Cipher[str]:
        of = self._keys.field(field, str)
        return Cipher(of.encrypt, of.decrypt)

    def data(self, field: str) -> Cipher[bytes]:
        of = self._keys.field(field, bytes)
        return Cipher(of.encrypt, of.decrypt)

    def record(self, fields: Sequence[str]) -> Cipher[Record]:
        """As integrations do it: all fields at once."""
        group, values = FieldGroup(self._keys.field(name, str) for name in fields), itemgetter(*fields)
        # Without strict, which costs a tenth of a microsecond.
        return Cipher(
            lambda record: dict(zip(fields, group.encrypt(values(record)))),  # noqa: B905
            lambda stored: dict(zip(fields, group.decrypt(values(stored)))),  # noqa: B905
            each_field(self, fields).size,
        )


PEERS = (
    lambda: Fieldcrypt("fieldcrypt", Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())),
    lambda: Fieldcrypt("fieldcrypt, self-contained", Encryptor(LocalKeyProvider.generate())),
)
