"""What is fuzzed, and what it starts from: every decoder of bytes that somebody else may have made.

`fuzz.py` does it for minutes with atheris, `test_fuzzing.py` for a moment in the test suite. The first byte
of an input selects the decoder, the rest is for it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FieldcryptError,
    KeyPolicy,
    KeyRecord,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    Tombstone,
)
from fieldcrypt.format import text_form
from fieldcrypt.format.aead import GCM_NONCE_SIZE
from fieldcrypt.format.cbor import encode_cbor
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.envelope import HEAD, PREFIX, SALT, aad
from fieldcrypt.keys.record.claim import claim_of, claimed
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt_dynamodb import ProtectedTable
from fieldcrypt_dynamodb.item.forms import WIRE
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_sqlalchemy import Encrypted
from tests.support.old_schemes import ROW, TENANT, scheme
from tests.support.strategies import VALUES, Colour

MOST_CPU = 0.05  # seconds, the best of three, of an input of
MOST_BYTES = 64 * 1024  # or fewer

VECTORS = Path(__file__).parents[1] / "vectors"
MERSENNE = 2**61 - 1
FOREIGN = ("fernet", "sqlalchemy-utils-gcm", "esdk", "esdk-version-1")  # schemes; Asherah's is not in Python

Target = Callable[[bytes], None]


class SlowError(Exception):
    """An input took more than its time."""


def _check() -> Any:
    spec = importlib.util.spec_from_file_location("independent_check", VECTORS / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Fuzzer:
    """Gives inputs to decoders; what they raise beside the documented errors goes through."""

    def __init__(self) -> None:
        self._provider, self._store = LocalKeyProvider(bytes(32)), MemoryKeyStore()
        policy = KeyPolicy(replication_wait=timedelta(0), unknown_records_per_second=1_000_000)
        self._encryptor = Encryptor(self._provider, self._store, policy=policy, read_self_contained=True)
        self._check = _check()
        self._field = self._encryptor.field("fuzzed.value", str)
        self._value = self._field.encrypt("x")
        key_id = self._value[1:17]
        record = self._store.get(key_id)
        assert isinstance(record, KeyRecord)
        self._record = record
        self._cipher = DataKey(self._provider.unwrap(record.wraps, record.context())).cipher()
        self._alone = Encryptor(self._provider).field("fuzzed.value", str).encrypt("x")
        self.targets: dict[str, Target] = {
            "value": self._decrypt,
            "record": self._read_record,
            "tombstone": self._read_tombstone,
            "claim": self._read_claim,
            "text form": self._read_text,
            "independent check": self._compare,
            **{f"plaintext {kind.__name__}": self._plaintext(kind) for kind in (*VALUES, object)},
            **{f"DynamoDB {name}": target for name, target in self._dynamodb()},
            **{f"SQL {name}": target for name, target in self._sql()},
            **{f"scheme {name}": partial(_read_foreign, name) for name in FOREIGN},
        }
        self._in_order = list(self.targets.values())

    def one(self, data: bytes) -> float:
        """Give an input to its decoder; returns the seconds of CPU."""
        if not data:
            return 0
        target, rest = self._in_order[data[0] % len(self._in_order)], data[1:]
        start = time.process_time()
        with suppress(FieldcryptError):
            target(rest)
        return time.process_time() - start

    def best_of_three(self, data: bytes, most: float = MOST_CPU) -> float:
        """Give an input to its decoder, three times if it takes long; returns the seconds of CPU.

        Raises:
            SlowError: it took more than the most each time.
        """
        seconds = self.one(data)
        if seconds > most and len(data) <= MOST_BYTES:
            for _ in range(2):
                time.sleep(0.5)  # or all three may fall into one moment in which the machine is busy with others
                seconds = min(seconds, self.one(data))
            if seconds > most:
                raise SlowError(f"{seconds * 1000:.0f} ms for {len(data)} bytes: {data[:40].hex()}…")
        return seconds

    def input(self, target: str, data: bytes) -> bytes:
        """Return the input that gives the data to a decoder."""
        return bytes((list(self.targets).index(target),)) + data

    # The decoders

    def _sealer(self, name: str, **row: str) -> Callable[[bytes], bytes]:
        """Return what makes an authentic value of any plaintext, as whoever knows a public key can make it."""
        prefix, nonce = self._value[PREFIX], bytes(GCM_NONCE_SIZE)
        encrypt, context = self._cipher.cipher(prefix[SALT]).encrypt, {"fieldcrypt:field": name, **row}
        data = aad(prefix[HEAD], context)
        return lambda plaintext: prefix + nonce + encrypt(nonce, plaintext, data)

    def _decrypt(self, data: bytes) -> None:
        self._field.decrypt(data)

    def _read_record(self, data: bytes) -> None:
        record = KeyRecord.from_bytes(self._record.key_id, data)
        assert record.to_bytes() == data
        DataKey(self._provider.unwrap(record.wraps, record.context())).verify(record)

    def _read_tombstone(self, data: bytes) -> None:
        assert Tombstone.from_bytes(self._record.key_id, data).to_bytes() == data

    def _read_claim(self, data: bytes) -> None:
        assert claim_of(claimed(data, Purpose.ENCRYPTION, self._record.tenant)) == data

    def _read_text(self, data: bytes) -> None:
        text = data.decode("latin-1")
        assert text_form.encode(text_form.decode(text)) == text

    def _compare(self, data: bytes) -> None:
        """A plaintext is read if, and only if, the independent check reads it; written again, it is the same."""
        if len(data) > 2048:
            return  # the independent check has no limit of its time
        try:
            self._check.read_plaintext(data)
            right = True
        except (self._check.Refused, ValueError):
            right = False
        try:
            value = Codec(object).decode(data)
        except DecryptionError:
            assert not right, "the independent check reads this"
            return
        assert right, "the independent check refuses this"
        if not data[0] & 0x80:
            assert Codec(object).encode(value) == data

    def _plaintext(self, kind: Any) -> Target:
        field = self._encryptor.field("fuzzed.plaintext", kind)
        sealed = self._sealer(field.name)

        def read(data: bytes) -> None:
            value = field.decrypt(sealed(data))
            assert kind is object or type(value) is kind

        return read

    def _dynamodb(self) -> Iterator[tuple[str, Target]]:
        attributes = {kind.__name__: kind for kind in VALUES if kind is not timedelta}
        items = Items(ProtectedTable("fuzzed", self._encryptor, key=("id",), attributes=attributes), WIRE)
        for name in attributes:
            sealed = self._sealer(f"fuzzed.{name}", row="1")

            def read(data: bytes, name: str = name, sealed: Callable[[bytes], bytes] = sealed) -> None:
                items.decrypted({"id": {"S": "1"}, name: {"B": sealed(data)}})

            yield name, read

    def _sql(self) -> Iterator[tuple[str, Target]]:
        types: list[TypeEngine[Any]] = [
            *(Boolean(), Date(), DateTime(), Float(), Integer(), Interval(), LargeBinary(), String(), Time(), Uuid()),
            *(Numeric(10, 2), Numeric(asdecimal=False), Float(asdecimal=True), Enum(Colour), JSON(), ARRAY(Integer)),
        ]
        for number, type_ in enumerate(types):
            name = f"fuzzed.c{number}"
            read = self._column(Encrypted(type_, self._encryptor, name=name))
            yield f"{type_!r}", partial(_read_sealed, read, self._sealer(name))
        for storage in (Text(), JSON()):
            column = self._column(Encrypted(String(), self._encryptor, name="fuzzed.text", storage=storage))
            yield f"in {storage!r}", partial(_read_as_text, column)

    def _column(self, type_: Encrypted) -> Callable[[Any], Any]:
        process = type_.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
        assert process is not None
        return process

    # What it starts from

    def seeds(self) -> Iterator[bytes]:
        """Valid inputs of each decoder, the vectors, and what is made to be slow."""
        plaintexts = [*_plaintexts(), *bombs().values()]
        for vector in map(json.loads, (path.read_bytes() for path in sorted(VECTORS.glob("plaintext-*.json")))):
            plaintexts.append(bytes.fromhex(vector["plaintext"]))
        for target in self.targets:
            if target.startswith(("plaintext", "DynamoDB", "SQL", "independent")):
                yield from (self.input(target, plaintext) for plaintext in plaintexts if len(plaintext) < 2048)
            if target == "plaintext object":
                yield from (self.input(target, plaintext) for plaintext in plaintexts)
        for value in (self._value, self._alone):
            yield self.input("value", value)
            for target in ("text form", *(name for name in self.targets if name.startswith("SQL in"))):
                yield self.input(target, text_form.encode(value).encode())
                yield self.input(target, json.dumps(text_form.encode(value)).encode())
        yield self.input("record", self._record.to_bytes())
        stone = Tombstone(self._record.key_id, Purpose.ENCRYPTION, 1, "tenant", 2, "somebody", 3)
        yield self.input("tombstone", stone.to_bytes())
        yield self.input("claim", claim_of(self._record))
        yield self.input("claim", claim_of(stone._replace(tenant=None)))
        for name in FOREIGN:
            data = scheme(name).data
            yield self.input(f"scheme {name}", data if isinstance(data, bytes) else data.encode())


_DIALECT = sqlite.dialect()


def _read_sealed(read: Callable[[Any], Any], sealed: Callable[[bytes], bytes], data: bytes) -> None:
    read(sealed(data))


def _read_foreign(name: str, data: bytes) -> None:
    reader = scheme(name).reader
    reader.read(data, tenant=TENANT, context=ROW)
    assert reader.recognises(data)


def _read_as_text(read: Callable[[Any], Any], data: bytes) -> None:
    read(data.decode("latin-1"))


def _plaintexts() -> Iterator[bytes]:
    samples: list[Any] = [
        *(0, -1, 255, 2**64, -(2**70), 1.5, float("inf"), True, b"bytes", "text", timedelta(1), UUID(int=1)),
        *(Decimal("2000.000"), Decimal("NaN"), Decimal("1E+999999999999999999"), Decimal("-0E-1999999999999999997")),
        *(date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=UTC), datetime.min.time()),
        *([1, [2, [3]]], {"a": {"b": [None]}, 1: 2.5}, {1, "a", b"b", Decimal("0.5"), UUID(int=2), date(2026, 1, 2)}),
    ]
    for value in samples:
        yield Codec(object).encode(value)
        yield Codec(object, 16).encode(value)
    yield Codec(Colour).encode(Colour.RED)


def bombs() -> dict[str, bytes]:
    """Plaintexts below 64 KiB that take much time or memory, if they are read by what has not prepared for them."""
    laughs = b"\xd8\x1c\x82" * 40 + b"\x01\x01" + b"".join(b"\xd8\x1d" + encode_cbor(n) for n in range(39, 0, -1))
    texts = 15_000
    references = b"\xd9\x01\x00\x99" + (texts + 1).to_bytes(2, "big") + b"\x79\x40\x00" + b"x" * 0x4000
    alike = [j + MERSENNE * i for i in range(1, 100) for j in range(54)]
    mixed: dict[Any, int] = {j + (MERSENNE << 900) * i: 0 for i in range(1, 5) for j in range(1, 100)}
    mixed |= {Decimal(j + MERSENNE * i): 0 for i in range(1, 5) for j in range(1, 100)}
    floats: dict[Any, int] = {j * 2.0 ** (61 * i): 0 for i in range(10, 13) for j in range(5, 480)}
    floats |= {Decimal(j + MERSENNE * i): 0 for i in range(50, 54) for j in range(5, 480)}
    bodies = {
        "a list in itself": b"\xd8\x1c\x81\xd8\x1d\x00",
        "a map in itself": b"\xd8\x1c\xa1\x01\xd8\x1d\x00",
        "billion laughs": laughs,
        "references to a long text": references + b"\xd8\x19\x00" * texts,
        "a regular expression": b"\xd8\x23\x79\xf0\x00" + b"(a+)+" * (0xF000 // 5),
        "a mail": b"\xd8\x24\x79\xf0\x00" + b"a: b\r\n" * (0xF000 // 6),
        "seconds": b"\xc1\x1b\x7f" + b"\xff" * 7,
        "a decimal fraction": b"\xc4\x82\x1b\x40" + bytes(7) + b"\x01",
        "a big float": b"\xc5\x82\x1b\x40" + bytes(7) + b"\x01",
        "a rational number": b"\xd8\x1e\x82\x01\x00",
        "a network address": b"\xd9\x01\x04\x44\x7f\x00\x00\x01",
        "a network": b"\xd9\x01\x05\xa1\x44\x7f\x00\x00\x00\x08",
        "a complex number": b"\xd9\xa7\xf8\x82\x01\x02",
        "lists without an end": b"\x9f" * 65_000,
        "maps without an end": b"\xbf" * 65_000,
        "texts in pieces": b"\x9f" + b"\x7f\x61a\xff" * 16_000 + b"\xff",
        "byte strings in pieces": b"\x81\x5f" + b"\x40" * 65_000 + b"\xff",
        "endless depth": b"\x81" * 65_000,
        "depth of tags": b"\xc1" * 65_000,
        "a tower of lists": b"\x99\x04\x00" + (b"\x81" * 62 + b"\x80") * 1024,
        "a promised list": b"\x9b\x7f" + b"\xff" * 7,
        "a promised map": b"\xbb\x7f" + b"\xff" * 7,
        "a promised text": b"\x7b\x7f" + b"\xff" * 7,
        "empty lists": b"\x99\xff\x00" + b"\x80" * 0xFF00,
        "empty maps": b"\x99\xff\x00" + b"\xa0" * 0xFF00,
        "empty sets": b"\x99\x3f\xff" + b"\xd9\x01\x02\x80" * 0x3FFF,
        "small maps": b"\x99\x50\x00" + b"\xa1\x01\x01" * 0x5000,
        "small sets": b"\x99\x30\x00" + b"\xd9\x01\x02\x81\x01" * 0x3000,
        "long integer": b"\xc2\x59\xff\x00" + b"\xff" * 0xFF00,
        "long decimal": b"\xd9\xfc\x01\x79\xff\x00" + b"9" * 0xFF00,
        "long exponent": b"\xd9\xfc\x01\x79\xff\x02" + b"1E" + b"9" * 0xFF00,
        "long date": b"\xd9\x03\xec\x79\xff\x00" + b"2" * 0xFF00,
        "long time": b"\xc0\x79\xff\x00" + b"2026-01-01T00:00:00.".ljust(0xFF00, b"0"),
        "large exponents": encode_cbor({Decimal(f"{i}E+99999999999999{i:04}"): 0 for i in range(1, 2100)}),
        "small exponents": encode_cbor({Decimal(f"{i}E-99999999999999{i:04}") for i in range(1, 2100)}),
        "alike": encode_cbor(dict.fromkeys(alike, 0)),
        "alike in a set": encode_cbor(set(alike)),
        "too many alike": b"\xd9\x01\x02\x99\x15\x7c"
        + b"".join(sorted(encode_cbor(1 + MERSENNE * i) for i in range(2, 5502))),
        "alike and decimal": encode_cbor(mixed),
        "alike, floats and decimal": encode_cbor(floats),
        "alike, long and decimal": b"\xa2\xc2\x59\x7d\x00" + (2**255_999 + 1).to_bytes(32_000, "big") + b"\x00"
        b"\xd9\xfc\x01\x79\x7d\x00" + b"1" * 32_000 + b"\x00",
        "alike UUIDs": encode_cbor({UUID(int=j + MERSENNE * i): 0 for i in range(1, 100) for j in range(33)}),
    }  # fmt: skip
    return {name: b"\x03" + body for name, body in bodies.items()}


def mutated(seeds: list[bytes], random: Random) -> bytes:
    """Return a seed that was changed in a few places, with pieces of others."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.randrange(1, 5)):
        at, other = random.randrange(len(data) + 1), random.choice(seeds)
        start = random.randrange(len(other) + 1)
        piece = random.choice([b"", random.randbytes(1), random.randbytes(3), other[start : start + 20], b"\x80"])
        data[at : at + random.choice([0, 1, len(piece)])] = piece
    return bytes(data)


def main(paths: list[str]) -> None:
    """Time inputs that are in files, and print the slowest."""
    logging.disable()
    fuzzer = Fuzzer()
    slowest = max(((fuzzer.best_of_three(Path(path).read_bytes()), path) for path in paths), default=(0, ""))
    print(f"of {len(paths)} slow inputs the slowest takes {slowest[0] * 1000:.1f} ms by itself: {slowest[1]}")
