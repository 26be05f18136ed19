"""`fieldcrypt inspect`: what an encrypted value says about itself, without any key."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from pathlib import Path
from typing import Any

from fieldcrypt.cli.output import utc
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyStoreError
from fieldcrypt.events import Events
from fieldcrypt.format import envelope, text_form
from fieldcrypt.format.aead import TAG_SIZE
from fieldcrypt.keys.lookup.tombstones import Tombstones
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore

__all__ = ["envelope_facts", "read_value"]

_MAX_FILE_SIZE = 64 * 1024 * 1024


def read_value(text: str) -> bytes:
    """Return the value that an argument means: text form, hexadecimal (also as PostgreSQL prints it), base64, a file.

    Raises:
        ConfigurationError: it is none of these, or the file cannot be read.
    """
    for value in _decoded(text.strip()):
        if _is_value(value):
            return value
    path = Path(text)
    try:
        if path.is_file():
            return _from_file(path)
    except OSError:  # too long for a name, for one
        pass
    raise ConfigurationError(
        "this is not an encrypted value: neither its text form, hexadecimal or base64, nor the name of a file with one"
    )


def envelope_facts(value: bytes, store: KeyStore | None) -> dict[str, Any]:
    """Return what a value says about itself, and what the key store, if given, knows about its data key.

    `key_store` is the error of a store that cannot be read, or that does not have the data key.

    Raises:
        DecryptionError: the value, or the key record in it, is malformed.
    """
    parts = envelope.parse(value)
    added = len(value) - len(parts.ciphertext) + TAG_SIZE
    facts: dict[str, Any] = {
        "form": "stored" if parts.record is None else "self-contained",
        "key_id": parts.key_id.hex(),
        "salt": parts.salt.hex(),
        "bytes": len(value),
        "bytes_added": added,
        "plaintext_bytes": len(value) - added,
    }
    try:
        if parts.record is not None:
            record = KeyRecord.from_bytes(parts.key_id, parts.record)
            facts |= _record_facts(record)
            stone = Tombstones(store, KeyPolicy(), Events()).look_up(record)
            return facts if stone is None else facts | {"key_state": stone.state.value} | _shredding_facts(stone)
        return facts if store is None else facts | _record_facts(store.get(parts.key_id))
    except KeyStoreError as error:
        return facts | {"key_store": str(error)}


def _record_facts(record: KeyRecord | Tombstone) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "tenant": record.tenant,
        "key_created": utc(record.created),
        "key_state": record.state.value,
    }
    if isinstance(record, Tombstone):
        return facts | _shredding_facts(record)
    return facts | {"wrapped_under": [wrap.name for wrap in record.wraps]}


def _shredding_facts(stone: Tombstone) -> dict[str, Any]:
    return {"key_shredded": utc(stone.shredded), "by": stone.by}


def _decoded(text: str) -> list[bytes]:
    """Return every way to read a text as bytes."""
    with suppress(DecryptionError):
        return [text_form.decode(text.strip('"'))]  # with the quotation marks of JSON
    found = []
    for prefix in ("", "\\x", "0x"):
        if text.startswith(prefix):
            try:
                found.append(bytes.fromhex(text.removeprefix(prefix)))
            except ValueError:
                continue
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    for alphabet in (b"+/", b"-_"):
        try:
            found.append(base64.b64decode(padded, altchars=alphabet, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


def _from_file(path: Path) -> bytes:
    if path.stat().st_size > _MAX_FILE_SIZE:
        raise ConfigurationError(f"{path} is larger than any value")
    data = path.read_bytes()
    try:
        candidates = [*_decoded(data.decode("ascii").strip()), data]
    except UnicodeDecodeError:
        candidates = [data]
    for value in candidates:
        if _is_value(value):
            return value
    raise ConfigurationError(f"{path} holds no encrypted value")


def _is_value(data: bytes) -> bool:
    try:
        envelope.parse(data)
    except DecryptionError:
        return False
    return True
