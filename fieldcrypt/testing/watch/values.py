"""Notes what goes through the fields and indexes of this process.

Every value that is encrypted or decrypted passes a prepared writer or reader, whichever method or integration it came
by; every value that is tagged or searched for is normalised first. So it is noted there. What was prepared before is
dropped at the beginning, so that none goes past; natively, nothing prepared is kept meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fieldcrypt._base.snapshots import registered
from fieldcrypt.backends import chosen
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import DecryptionError
from fieldcrypt.field import Field
from fieldcrypt.format.aead import Pieces
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.envelope import PREFIX
from fieldcrypt.prepared.readers import Readers
from fieldcrypt.prepared.writers import Writers
from fieldcrypt.search.blind_index import BlindIndex
from fieldcrypt.search.term_index import TermIndex
from fieldcrypt.testing.watch.noting import Noting
from fieldcrypt.testing.watch.replacing import replace

__all__ = ["values_noted"]

Note = Callable[[Any], None]

_ANY = Codec(object)


def _note_values(stack: ExitStack, note: Note) -> None:
    def note_plaintext(plaintext: Any) -> None:
        try:
            value = _ANY.decode(b"".join(plaintext) if isinstance(plaintext, Pieces) else bytes(plaintext))
        except DecryptionError:
            return  # as a field will say that reads it
        note(value)

    stack.callback(_prepare_again)
    _note_in_python(stack, note_plaintext)
    if chosen("auto").is_native:  # then there may be native fields, whatever the default
        _note_natively(stack, note_plaintext)
    for index in (BlindIndex, TermIndex):
        replace(stack, index, "normalise", _first_argument(index.normalise, note))
    _prepare_again()


def _prepare_again() -> None:
    for each in registered():
        if isinstance(each, Encryptor):
            each._forget()


def _note_in_python(stack: ExitStack, note: Note) -> None:
    made_writer, made_reader, decode_long = Writers._made, Readers._made, Field._decode_long

    def writer(self: Writers, *args: Any) -> Any:
        prefix, infix, encrypt, *more = made_writer(self, *args)

        def noting(nonce: bytes, plaintext: Any, aad: bytes) -> bytes:
            note(plaintext)
            return encrypt(nonce, plaintext, aad)  # type: ignore[no-any-return]

        return prefix, infix, noting, *more

    def reader(self: Readers, *args: Any) -> Any:
        decrypt, *more = made_reader(self, *args)

        def noting(nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
            plaintext = decrypt(nonce, ciphertext, aad)
            note(plaintext)
            return plaintext  # type: ignore[no-any-return]

        return noting, *more

    def long(self: Field[Any], kind: bytes, body: bytes) -> Any:
        note(kind + body)
        return decode_long(self, kind, body)

    replace(stack, Writers, "_made", writer)
    replace(stack, Writers, "seal", _sealing(Writers.seal, note))
    replace(stack, Readers, "_made", reader)
    replace(stack, Field, "_decode_long", long)


def _note_natively(stack: ExitStack, note: Note) -> None:
    from fieldcrypt.native.field import NativeField
    from fieldcrypt.native.prepared import NativeReaders, NativeWriters

    prepare_writer, prepare_reader, open_ = NativeWriters._prepare, NativeReaders._prepare, NativeReaders.open

    def writer(self: NativeWriters, tenant: Any) -> Any:
        made = prepare_writer(self, tenant)
        self._cache.drop(tenant)  # so that the next value comes this way too
        return made

    def reader(self: NativeReaders, data: bytes, tenant: Any, for_one: bool) -> Any:
        made = prepare_reader(self, data, tenant, for_one)
        self._cache.drop(data[PREFIX])
        return made

    def opened(self: NativeReaders, *args: Any) -> tuple[Any, bytes | None]:
        made, plaintext = open_(self, *args)
        if plaintext is not None:
            note(plaintext)
        return made, plaintext

    replace(stack, NativeWriters, "_prepare", writer)
    replace(stack, NativeWriters, "seal", _sealing(NativeWriters.seal, note))
    replace(stack, NativeReaders, "_prepare", reader)
    replace(stack, NativeReaders, "open", opened)
    replace(stack, NativeField, "_columns", lambda self: None)  # whole columns go through Python


def _sealing(seal: Any, note: Note) -> Any:
    """Return what seals plaintexts, and notes them."""

    def noting(self: Any, tenant: Any, plaintexts: Any, contexts: Any) -> Any:
        sealed = seal(self, tenant, plaintexts, contexts)
        for plaintext in plaintexts:
            note(plaintext)
        return sealed

    return noting


def _first_argument(method: Any, note: Note) -> Any:
    """Return a method that notes its argument, unless that is several members, of which some may be in the clear."""

    def noting(self: Any, value: Any) -> Any:
        if not isinstance(value, dict):
            note(value)
        return method(self, value)

    return noting


values_noted = Noting(_note_values)  # that are encrypted, decrypted, tagged or searched for
