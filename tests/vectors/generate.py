"""Writes the test vectors of SPEC section 10, one scenario a file, from fixed randomness.

    python tests/vectors/generate.py

Running it again changes nothing, whatever the backend, unless the format changed; a vector that a release has published
is never changed.
`check.py` beside it verifies the files and shares no code with fieldcrypt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any
from uuid import UUID

import cbor2

from fieldcrypt import _system
from fieldcrypt.backends import chosen
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.declaration.path import Path, element_context
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.format import codecs, context, envelope, text_form
from fieldcrypt.format.aead import Xaes256Gcm
from fieldcrypt.format.cbor import decode_cbor, encode_cbor
from fieldcrypt.format.cbor_items import MAX_NESTING
from fieldcrypt.format.seal import seal_digest
from fieldcrypt.keys.providers.provider import LocalKeyProvider
from fieldcrypt.keys.record.claim import claim_of, claim_place
from fieldcrypt.keys.record.data_key import CANARY_SALTS, DataKey
from fieldcrypt.keys.record.record import MAX_TIME, KeyRecord, Purpose, WrappedKey, sorted_wraps, wrap_context
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import MemoryKeyStore
from fieldcrypt.normalisers import NORMALISERS, canonical
from fieldcrypt.search import Kind, Part, Prefixes, Range, Suffixes, domain, first, last, month, year
from fieldcrypt.search.kinds.compound import Compound

DIRECTORY = FilePath(__file__).parent

LOCAL_KEY = bytes(range(32))
OTHER_LOCAL_KEY = bytes(range(32, 64))
CREATED = 1_795_445_340  # 2026-11-23T14:49:00Z
TENANT = "clinic-7"
CONTEXT = {"fieldcrypt:field": "patients.ssn"}
ROW_CONTEXT = {**CONTEXT, "row": "42"}
FOREIGN_NAME = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def main() -> None:
    for old in DIRECTORY.glob("*.json"):
        old.unlink()
    of_keys, of_values = (
        (records, tombstones, claims, choices),
        (values, shreddings, tags, terms, normalised, item_seals, texts, canaries),
    )
    for scenario in (xaes, contexts, paths, plaintexts, *of_keys, *of_values):
        _fix_randomness(scenario.__name__)
        scenario()


def xaes() -> None:
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    for name, byte, aad in (("c2sp-1", 1, b""), ("c2sp-2", 3, b"c2sp.org/XAES-256-GCM")):
        key = bytes([byte]) * 32
        sealed = Xaes256Gcm(key).encrypt(nonce, b"XAES-256-GCM", aad)
        common = {"key": key, "nonce": nonce, "aad": aad}
        success(
            f"xaes-{name}", "published by C2SP", kind="xaes", **common, plaintext=b"XAES-256-GCM", ciphertext=sealed
        )
    failure("xaes-tag", "one bit of the tag is wrong", kind="xaes", **common, ciphertext=_flip(sealed, -1))
    failure(
        "xaes-salt",
        "one bit of the salt is wrong",
        kind="xaes",
        **common | {"nonce": _flip(nonce, 0)},
        ciphertext=sealed,
    )
    failure("xaes-aad", "other additional data", kind="xaes", **common | {"aad": b""}, ciphertext=sealed)


def contexts() -> None:
    good: dict[str, tuple[str, dict[str, str]]] = {
        "one": ("a field's name alone", CONTEXT),
        "sorted": ("entries are sorted by the bytes of their keys, not as they came", {"z": "1", "a": "2", **CONTEXT}),
        "utf8-order": (
            "UTF-8 order differs from UTF-16 order beyond the basic plane",
            {"\U0001f600": "a", "\uff5e": "b"},
        ),
        "empty-value": ("a value may be empty", {**CONTEXT, "row": ""}),
        "boundaries": ("a: bc and ab: c differ in their lengths only", {"a": "bc", "ab": "c"}),
        "not-normalised": ("é composed and decomposed are two keys", {"\u00e9": "1", "e\u0301": "2"}),
    }
    for name, (reason, value) in good.items():
        success(f"context-{name}", reason, kind="context", context=value, encoded=context.encode_context(value))
    failure("context-empty", "an empty context binds nothing", kind="context", context={})
    failure("context-empty-key", "a key cannot be empty", kind="context", context={"": "x", **CONTEXT})
    failure("context-long", "a value of 65,536 bytes has no length", kind="context", context={"a": "x" * 65_536})


def paths() -> None:
    good: dict[str, tuple[str, str, list[str]]] = {
        "top": ("a name at the top of a record: a context as it is without paths", "ssn", []),
        "map": ("a member of a map", "address.street", []),
        "list": ("each element of a list", "phones[].number", []),
        "values": ("the elements themselves", "tags[]", []),
        "element": ("an element told by its own member", "phones[kind].number", ["home"]),
        "elements": ("two of these", "homes[id].phones[kind].number", ["7", "home"]),
        "escaped": ("a name with each of the characters that separate names", r"a\.b.c\[\].d\\", []),
        "escaped-top": ("such a name at the top: the field's name has no backslash", r"a\.b", []),
        "escaped-element": ("and in brackets", r"phones[a\]b].number", [""]),
        "lists": ("lists within a list, and a name in other letters", "räume[][].größe", []),
    }  # fmt: skip
    for name, (reason, text, elements) in good.items():
        path = Path(text)
        value = {"fieldcrypt:field": f"patients.{path.first}", **path.context, **element_context(elements)}
        success(f"path-{name}", reason, kind="path", record="patients", path=text, elements=elements, context=value)
    reason, value = "a record of one kind in a table of several", {"fieldcrypt:field": "app.user.email"}
    success("path-kind", reason, kind="path", record="app.user", path="email", elements=[], context=value)
    for name, reason, text in (
        ("empty", "no name", ""),
        ("empty-name", "a name of no characters", "address..street"),
        ("dot-first", "no name before a dot", ".street"),
        ("dot-last", "no name behind a dot", "address."),
        ("bracket-first", "a list has a name", "[].street"),
        ("bracket-open", "a bracket that is not closed", "phones[.number"),
        ("bracket-alone", "a bracket that was not opened", "phones].number"),
        ("bracket-name", "a name right behind a bracket", "phones[]number"),
        ("bracket-path", "no path in brackets", "phones[a.b].number"),
        ("no-member", "an element that is told by a member is a map, of which another member is meant", "phones[kind]"),
        ("no-member-list", "and no list", "phones[kind][].number"),
        ("backslash-last", "a backslash before nothing", "address\\"),
        ("backslash-other", "a backslash before a character that needs none", r"address.\street"),
    ):
        failure(f"path-{name}", reason, kind="path", record="patients", path=text, elements=[])


def plaintexts() -> None:
    nested: Any = 1
    for _ in range(MAX_NESTING):
        nested = [nested]
    cet, p = timezone(timedelta(hours=1)), 2**61 - 1
    values: dict[str, Any] = {
        "bytes": b"\x00\x01\xff", "bytes-empty": b"", "text": "Søren 😀", "text-empty": "",
        "true": True, "false": False,
        "int-zero": 0, "int-small": 23, "int-one-byte": 24, "int-two-bytes": 256, "int-negative": -1,
        "int-64": 2**64 - 1, "int-beyond-64": 2**64, "int-negative-beyond-64": -(2**64) - 1,
        "float": 1.5, "float-minus-zero": -0.0, "float-nan": float("nan"), "float-infinity": float("inf"),
        "float-minus-infinity": float("-inf"), "float-smallest": 5e-324,
        "decimal": Decimal("2000.000"), "decimal-exponent": Decimal("1E+3"), "decimal-minus-zero": Decimal("-0.00"),
        "decimal-nan": Decimal("NaN"), "decimal-minus-nan": Decimal("-NaN"), "decimal-nan-digits": Decimal("NaN123"),
        "decimal-signalling-nan": Decimal("-sNaN7"),
        "decimal-largest": Decimal("9.99E+999999999999999999"), "decimal-smallest": Decimal("1E-1999999999999999997"),
        "decimal-zero-largest": Decimal("0E+999999999999999999"),
        "decimal-zero-smallest": Decimal("-0E-1999999999999999997"), "decimal-long": Decimal("9" * 100),
        "date": date(2026, 11, 23), "date-first": date(1, 1, 1),
        "datetime-utc": datetime(2026, 11, 23, 14, 49, tzinfo=UTC),
        "datetime-offset": datetime(2026, 11, 23, 14, 49, 0, 5, timezone(timedelta(hours=-3, minutes=-30))),
        "datetime-offset-seconds": datetime(1880, 1, 1, tzinfo=timezone(timedelta(seconds=1172))),
        "datetime-offset-largest": datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=23, minutes=59, seconds=59))),
        "datetime-local": datetime(2026, 11, 23, 14, 49, 0, 120_000),
        "time": time(14, 49), "time-offset": time(14, 49, 1, 1, timezone(timedelta(hours=1))),
        "duration": timedelta(days=1, microseconds=1), "duration-negative": timedelta(microseconds=-1),
        "uuid": UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "list": [None, True, 1, "a", b"b", [], {}], "list-deepest": nested,
        "map-order": {"z": 1, "a": 2}, "map-keys": {1: "int", "1": "text", b"1": "bytes", date(2026, 1, 1): "date"},
        "set": {1, 300, "a", UUID(int=1)}, "set-empty": set(), "set-null": {None, 1}, "map-null-key": {None: 1},
        "map-times": {time(0, 30, tzinfo=cet): "00:30+01:00", time(23, 30, tzinfo=UTC): "23:30+00:00, not equal to it"},
        "map-offsets": {datetime(2026, 1, 1, tzinfo=zone): str(zone) for zone in (UTC, cet, None)},
        "map-numbers": {1: "integer", Decimal("1.5"): "decimal", 2.5: "float", -2: "-2 and -1", -1: "share a residue"},
        "set-one-residue": {1 + p * i for i in range(100)},
        "set-mixed-residue": {1 + p * i for i in range(4)} | {Decimal(1 + p * i) for i in range(4, 8)},
        "set-powers": {2**i for i in range(500)},
    }  # fmt: skip
    for name, value in values.items():
        write_plaintext(name, _described(value), codecs.Codec(object).encode(value))
    padded = codecs.Codec(str, pad=16)
    write_plaintext("padded", "11 bytes of text padded to 16", padded.encode("078-05-1120"))
    write_plaintext("padded-empty", "an empty text padded to 16", padded.encode(""))
    write_plaintext("padded-full", "a body of the block's size gets a block more", padded.encode("x" * 16))
    write_plaintext("padded-looks-padded", "a body that ends like padding", codecs.Codec(bytes, 8).encode(b"a\x80\0\0"))

    bad: dict[str, tuple[str, bytes]] = {
        "empty": ("the encoding byte is missing", b""),
        "encoding-0": ("encoding byte 0x00 is not assigned", b"\x00abc"),
        "encoding-4": ("encoding byte 0x04 is not assigned", b"\x04abc"),
        "encoding-flag": ("bit 0x40 of the encoding byte is not assigned", b"\x42abc"),
        "text-not-utf8": ("0xff is no UTF-8", b"\x02\xff"),
        "text-surrogate": ("an encoded surrogate is no UTF-8", b"\x02\xed\xa0\x80"),
        "text-overlong": ("NUL in two bytes is no UTF-8", b"\x02\xc0\x80"),
        "padding-missing": ("padded, but without 0x80", b"\x82abc\x00\x00"),
        "padding-nothing": ("padded, but empty", b"\x82"),
        "cbor-empty": ("no CBOR item", b"\x03"),
        "cbor-cut": ("an array of two with one item", b"\x03\x82\x01"),
        "cbor-trailing": ("a byte after the item", b"\x03\x01\x00"),
        "cbor-null": ("null has no plaintext", b"\x03\xf6"),
        "cbor-undefined": ("undefined is not in the table", b"\x03\x81\xf7"),
        "cbor-simple": ("simple value 32 is not in the table", b"\x03\x81\xf8\x20"),
        "cbor-text": ("a text at the top level has an encoding byte of its own", b"\x03\x61a"),
        "cbor-bytes": ("so has a byte string", b"\x03\x41a"),
        "cbor-long-int": ("1 in two bytes", b"\x03\x18\x01"),
        "cbor-long-length": ("an array's length in two bytes", b"\x03\x98\x01\x01"),
        "cbor-long-text": ("a text's length in two bytes", b"\x03\x81\x78\x01a"),
        "cbor-bignum-small": ("1 as a bignum", b"\x03\xc2\x41\x01"),
        "cbor-bignum-zero": ("a bignum with a leading zero", b"\x03\xc2\x4a\x00\x01" + bytes(8)),
        "cbor-float32": ("a float in 4 bytes", b"\x03\xfa\x3f\xc0\x00\x00"),
        "cbor-float16": ("a finite float in 2 bytes", b"\x03\xf9\x3e\x00"),
        "cbor-nan-payload": ("another not-a-number", b"\x03\xfb\x7f\xf8" + bytes(6)),
        "cbor-infinity-64": ("infinity in 8 bytes", b"\x03\xfb\x7f\xf0" + bytes(6)),
        "cbor-indefinite-array": ("an array without a length", b"\x03\x9f\x01\xff"),
        "cbor-indefinite-map": ("a map without a length", b"\x03\xbf\x01\x01\xff"),
        "cbor-indefinite-text": ("a text in pieces", b"\x03\x81\x7f\x61a\xff"),
        "cbor-repeated-key": ("a map with a key twice", b"\x03\xa2\x01\x01\x01\x02"),
        "cbor-equal-keys": ("1 and 1.0 are equal", b"\x03\xa2\x01\x01\xfb\x3f\xf0" + bytes(6) + b"\x02"),
        "cbor-equal-keys-infinity": ("two infinities", of(b"\xa2\xf9\x7c\x00\x01", dec("Infinity"), b"\x02")),
        "cbor-equal-keys-boolean": ("1 and true are equal", b"\x03\xa2\x01\x01\xf5\x02"),
        "cbor-equal-keys-decimal": ("1.0 and 1.00 are equal", of(b"\xa2", dec("1.0"), b"\x01", dec("1.00"), b"\x02")),
        "cbor-equal-keys-datetime": (
            "one instant at two offsets",
            of(b"\xa2", tag(0, "2026-01-01T01:00:00+01:00"), b"\x01", tag(0, "2026-01-01T00:00:00+00:00"), b"\x02"),
        ),
        "cbor-set-equal": ("a set with 1000 and 1E+3", of(b"\xd9\x01\x02\x82", b"\x19\x03\xe8", dec("1E+3"))),
        "cbor-set-equal-time": (
            "12:00+01:00 and 11:00+00:00 are equal",
            of(b"\xd9\x01\x02\x82", tag(64515, "11:00:00+00:00"), tag(64515, "12:00:00+01:00")),
        ),
        "cbor-set-residue": (
            "101 integers that are equal modulo 2^61 - 1",
            of(b"\xd9\x01\x02\x98\x65", *sorted(cbor2.dumps(1 + p * i) for i in range(101))),
        ),
        "cbor-map-residue": (
            "101 UUIDs that are, as keys",
            of(b"\xb8\x65", *(cbor2.dumps(UUID(int=1 + p * i)) + b"\xf6" for i in range(101))),
        ),
        "cbor-set-mixed-residue": (
            "8 integers and a decimal number that are",
            of(b"\xd9\x01\x02\x89", *sorted(cbor2.dumps(1 + p * i) for i in range(8)), dec(str(1 + p * 8))),
        ),
        "cbor-set-mixed-long": (
            "an integer beyond 2^1024 and a decimal number that are",
            of(b"\xd9\x01\x02\x82", cbor2.dumps(1 + (p << 1024)), dec("1")),
        ),
        "cbor-list-key": ("a map with a list as a key", b"\x03\xa1\x81\x01\x02"),
        "cbor-set-order": ("a set whose elements are not sorted", b"\x03\xd9\x01\x02\x82\x02\x01"),
        "cbor-set-repeated": ("a set with an element twice", b"\x03\xd9\x01\x02\x82\x01\x01"),
        "cbor-set-of-lists": ("a set with a list in it", b"\x03\xd9\x01\x02\x81\x81\x01"),
        "cbor-set-nan": ("a set with a not-a-number", b"\x03\xd9\x01\x02\x81\xf9\x7e\x00"),
        "cbor-nan-key": ("a map with a not-a-number as a key", b"\x03\xa1\xd9\xfc\x01\x63NaN\x01"),
        "cbor-nested-empty": ("an empty list inside 64 lists", b"\x03" + b"\x81" * 64 + b"\x80"),
        "cbor-unknown-tag": ("tag 1 (seconds since 1970) is not in the table", b"\x03\xc1\x01"),
        "cbor-shared": ("tag 28 (shared value) is not in the table", b"\x03\xd8\x1c\x81\x01"),
        "cbor-cycle": ("a list that contains itself, by tags 28 and 29", b"\x03\xd8\x1c\x81\xd8\x1d\x00"),
        "cbor-laughs": ("40 lists, each of the next one twice, by tags 28 and 29: 2^40 items", b"\x03" + laughs(40)),
        "cbor-string-references": (
            "a text of 300 characters 50 times, by tags 256 and 25",
            b"\x03\xd9\x01\x00\x98\x33\x79\x01\x2c" + b"x" * 300 + b"\xd8\x19\x00" * 50,
        ),
        "cbor-string-reference": ("tag 25 alone", b"\x03\x82\x61a\xd8\x19\x00"),
        "cbor-big-float": ("tag 5 (big float)", b"\x03\xc5\x82\x1b\x7f" + b"\xff" * 7 + b"\x01"),
        "cbor-big-fraction": ("tag 4 with an exponent of 2^62", b"\x03\xc4\x82\x1b\x40" + bytes(7) + b"\x01"),
        "cbor-rational": ("tag 30 (rational number)", b"\x03\xd8\x1e\x82\x01\x02"),
        "cbor-regex": ("tag 35 (regular expression)", b"\x03\xd8\x23\x65(a+)+"),
        "cbor-mime": ("tag 36 (MIME message)", b"\x03\xd8\x24\x64a: b"),
        "cbor-address": ("tag 260 (network address)", b"\x03\xd9\x01\x04\x44\x7f\x00\x00\x01"),
        "cbor-complex": ("tag 43000 (complex number)", b"\x03\xd9\xa7\xf8\x82\x01\x02"),
        "cbor-self-described": ("tag 55799 (self-described CBOR)", b"\x03\xd9\xd9\xf7\x01"),
        "cbor-long-tag": ("tag 0 in two bytes", b"\x03\xd8\x00\x78\x19" + b"2026-11-23T14:49:00+00:00"),
        "cbor-promised-array": ("an array of 2^63 - 1 items", b"\x03\x9b\x7f" + b"\xff" * 7),
        "cbor-promised-map": ("a map of 2^32 - 1 entries", b"\x03\xba" + b"\xff" * 4),
        "cbor-indefinite-bytes": ("a byte string in pieces", b"\x03\x81\x5f\x41a\xff"),
        "cbor-break": ("an end without a beginning", b"\x03\x81\xff"),
        "cbor-reserved": ("a length that is reserved", b"\x03\x9c\x01"),
        "cbor-decimal-fraction": ("tag 4 (decimal fraction) is not in the table", b"\x03\xc4\x82\x01\x02"),
        "cbor-decimal-int": ("a decimal number over an integer", b"\x03\xd9\xfc\x01\x01"),
        "cbor-decimal-spelling": ("1.0 spelt 01.0", cbor(64513, "01.0")),
        "cbor-decimal-word": ("a decimal number that is none", cbor(64513, "one")),
        "cbor-decimal-too-large": ("1E+1000000000000000000", cbor(64513, "1E+1000000000000000000")),
        "cbor-decimal-too-large-digits": ("1.0E+1000000000000000000", cbor(64513, "1.0E+1000000000000000000")),
        "cbor-decimal-too-small": ("1E-1999999999999999998", cbor(64513, "1E-1999999999999999998")),
        "cbor-decimal-zero-too-large": ("0E+1000000000000000000", cbor(64513, "0E+1000000000000000000")),
        "cbor-decimal-nan-zeros": ("a not-a-number whose digits begin with zero", cbor(64513, "NaN0123")),
        "cbor-datetime-zulu": ("UTC spelt Z", cbor(0, "2026-11-23T14:49:00Z")),
        "cbor-datetime-minus-zero": ("UTC spelt -00:00", cbor(0, "2026-11-23T14:49:00-00:00")),
        "cbor-datetime-offset-day": ("an offset of 24 hours", cbor(0, "2026-11-23T14:49:00+24:00")),
        "cbor-datetime-offset-zeros": ("seconds of an offset that are zero", cbor(0, "2026-11-23T14:49:00+01:00:00")),
        "cbor-datetime-offset-fraction": ("half a second in an offset", cbor(0, "2026-11-23T14:49:00+01:00:00.500000")),
        "cbor-time-offset-fraction": ("in that of a time of day", cbor(64515, "14:49:00+01:00:00.500000")),
        "cbor-datetime-local": ("tag 0 without an offset", cbor(0, "2026-11-23T14:49:00")),
        "cbor-local-offset": ("tag 64514 with an offset", cbor(64514, "2026-11-23T14:49:00+00:00")),
        "cbor-datetime-space": ("a space for the T", cbor(64514, "2026-11-23 14:49:00")),
        "cbor-date-wrong": ("30 February", cbor(1004, "2026-02-30")),
        "cbor-time-spelling": ("seconds left out", cbor(64515, "14:49")),
        "cbor-uuid-short": ("a UUID of 15 bytes", b"\x03\xd8\x25\x4f" + bytes(15)),
        "cbor-duration-text": ("a duration over a text", cbor(64516, "1")),
        "cbor-too-deep": ("a number inside 65 lists", b"\x03" + b"\x81" * 65 + b"\x01"),
    }  # fmt: skip
    for name, (reason, plaintext) in bad.items():
        failure(f"plaintext-{name}", reason, kind="plaintext", plaintext=plaintext)


def _described(value: Any) -> str:
    shown = sorted(value, key=repr) if isinstance(value, set) else value  # a set's own order differs from run to run
    return f"{type(value).__name__}: {shown!r}"[:80]


def cbor(tag: int, content: Any) -> bytes:
    return b"\x03" + cbor2.dumps(cbor2.CBORTag(tag, content))


def of(*pieces: bytes) -> bytes:
    return b"\x03" + b"".join(pieces)


def tag(number: int, text: str) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(number, text))


def dec(text: str) -> bytes:
    return tag(64513, text)


def laughs(depth: int) -> bytes:
    """Lists within each other, each with a reference to the one in it."""
    references = (b"\xd8\x1d" + cbor2.dumps(number) for number in range(depth - 1, 0, -1))
    return b"\xd8\x1c\x82" * depth + b"\x01\x01" + b"".join(references)


def write_plaintext(name: str, reason: str, plaintext: bytes) -> None:
    kind, body = codecs.split_plaintext(plaintext)
    names = {codecs.BYTES: "bytes", codecs.TEXT: "text", codecs.CBOR: "cbor"}
    success(f"plaintext-{name}", reason, kind="plaintext", plaintext=plaintext, body=body, body_kind=names[kind])


def records() -> None:
    common: dict[str, Any] = {"kind": "record", "local_key": LOCAL_KEY}
    for name, reason, tenant, purpose in (
        ("tenant", "a tenant's key for values", TENANT, Purpose.ENCRYPTION),
        ("no-tenant", "a key of no tenant", None, Purpose.ENCRYPTION),
        ("blind-index", "a key for blind indexes", TENANT, Purpose.BLIND_INDEX),
        ("longest-tenant", "a tenant's name of 255 bytes", "ü" * 127 + "x", Purpose.ENCRYPTION),
    ):
        data_key, record = make_record(tenant, purpose)
        success(
            f"record-{name}", reason, **common, key_id=record.key_id, record=record.to_bytes(), purpose=purpose.label,
            created=CREATED, tenant=tenant, data_key=data_key.secret,
        )  # fmt: skip
    foreign = WrappedKey(FOREIGN_NAME, b"\x01\x02\x03")
    data_key, record = make_record(TENANT, also=[foreign])
    encoded = record.to_bytes()
    success(
        "record-two-wraps", "also wrapped under a key that is not configured here", **common, key_id=record.key_id,
        record=encoded, purpose="encryption", created=CREATED, tenant=TENANT, data_key=data_key.secret,
    )  # fmt: skip

    def bad(name: str, reason: str, changed: bytes, key_id: bytes = record.key_id, **more: Any) -> None:
        failure(f"record-{name}", reason, **common | more, key_id=key_id, record=changed)

    bad("other-key-id", "stored under the id of another key", encoded, _flip(record.key_id, 0))
    bad("other-local-key", "wrapped under another local key", encoded, local_key=OTHER_LOCAL_KEY)
    bad("format", "an unknown format", b"\x02" + encoded[1:])
    bad("endorsed", "a version that is reserved", b"\x03" + encoded[1:])
    bad("purpose-unknown", "an unknown purpose", encoded[:1] + b"\x03" + encoded[2:])
    bad("purpose-changed", "the purpose was changed", encoded[:1] + b"\x02" + encoded[2:])
    bad("created-changed", "made younger by a second", _flip(encoded, 9))
    bad("tenant-changed", "given to another tenant", encoded.replace(b"clinic-7", b"clinic-6"))
    bad("tenant-not-utf8", "the tenant is no UTF-8", encoded.replace(b"clinic-7", b"clinic-\xff"))
    bad(
        "foreign-wrap-changed",
        "a wrap that is not opened was changed",
        encoded.replace(b"\x01\x02\x03", b"\x01\x02\x04"),
    )
    bad("wrap-changed", "the wrapped data key was changed", _flip(encoded, -40))
    bad("tag-changed", "the tag was changed", _flip(encoded, -1))
    bad("cut", "the last byte is missing", encoded[:-1])
    bad("trailing", "a byte too many", encoded + b"\x00")
    bad("empty", "nothing at all", b"")
    own = next(wrap for wrap in record.wraps if wrap.name.startswith("local:"))
    for size in (71, 73):
        other = record._replace(wraps=(own._replace(data=(own.data + b"\x00")[:size]),))
        bad(f"local-wrap-{size}", f"a local wrap of {size} bytes, under a good tag", _tagged_anyway(data_key, other))
    named = record._replace(wraps=(own, own._replace(name="\x1b[2J\u202e", data=b"x")))
    success(
        "record-name-controls", "the name of a wrapping key holds control characters", **common, key_id=record.key_id,
        record=data_key.seal(record._replace(wraps=sorted_wraps(named.wraps))).to_bytes(), purpose="encryption",
        created=CREATED, tenant=TENANT, data_key=data_key.secret,
    )  # fmt: skip
    unsorted = record._replace(wraps=tuple(reversed(record.wraps)))
    bad("unsorted", "wraps in the wrong order, under a good tag", _tagged_anyway(data_key, unsorted))
    twice = record._replace(wraps=(record.wraps[1], record.wraps[1]))
    bad("repeated", "one wrapping key named twice, under a good tag", _tagged_anyway(data_key, twice))
    none = record._replace(wraps=())
    bad("no-wraps", "no wrap at all, under a good tag", _tagged_anyway(data_key, none))


def tombstones() -> None:
    key_id = bytes(range(16))
    for name, reason, tenant, by in (
        ("tenant", "a tenant's key", TENANT, "ann@example.org"),
        ("no-tenant", "a key of no tenant", None, "å"),
        ("longest", "a name of 1,024 bytes", TENANT, "x" * 1024),
    ):
        stone = Tombstone(key_id, Purpose.ENCRYPTION, CREATED, tenant, CREATED + 60, by, 3)
        success(
            f"tombstone-{name}", reason, kind="tombstone", key_id=key_id, tombstone=stone.to_bytes(),
            purpose="encryption", created=CREATED, tenant=tenant, shredded=CREATED + 60, by=by, keys=3,
        )  # fmt: skip
    encoded = Tombstone(key_id, Purpose.ENCRYPTION, CREATED, TENANT, CREATED + 60, "ann", 3).to_bytes()
    for name, reason, changed in (
        ("format", "the format of a record", b"\x01" + encoded[1:]),
        ("purpose", "an unknown purpose", encoded[:1] + b"\x03" + encoded[2:]),
        ("cut", "the last byte is missing", encoded[:-1]),
        ("trailing", "a byte too many", encoded + b"\x00"),
        ("empty", "nothing at all", b""),
        ("by-nobody", "an empty name", encoded[:-5] + b"\x00\x00"),
        ("by-not-utf8", "a name that is no UTF-8", encoded[:-1] + b"\xff"),
        ("by-too-long", "a name of 1,025 bytes", encoded[:-5] + (1025).to_bytes(2, "big") + b"x" * 1025),
        ("no-keys", "no keys at all", encoded[:-9] + bytes(4) + encoded[-5:]),
        ("time", "after the year 9999", encoded[:-17] + (MAX_TIME + 1).to_bytes(8, "big") + encoded[-9:]),
    ):
        failure(f"tombstone-{name}", reason, kind="tombstone", key_id=key_id, tombstone=changed)


def claims() -> None:
    common: dict[str, Any] = {"kind": "claim", "local_key": LOCAL_KEY}
    for name, reason, tenant, purpose in (
        ("tenant", "a tenant's first key for values", TENANT, Purpose.ENCRYPTION),
        ("no-tenant", "the first key of no tenant", None, Purpose.ENCRYPTION),
        ("blind-index", "a tenant's first key for blind indexes", TENANT, Purpose.BLIND_INDEX),
        ("longest-tenant", "a tenant's name of 255 bytes", "ü" * 127 + "x", Purpose.ENCRYPTION),
    ):
        data_key, record = make_record(tenant, purpose)
        success(
            f"claim-{name}", reason, **common, purpose=purpose.label, tenant=tenant, claim=claim_of(record),
            place=claim_place(purpose, tenant), key_id=record.key_id, data_key=data_key.secret,
        )  # fmt: skip
    data_key, record = make_record(TENANT)
    claim = claim_of(record)
    stone = Tombstone(record.key_id, record.purpose, CREATED, TENANT, CREATED + 60, "ann", 1)
    wanted: dict[str, Any] = {**common, "purpose": "encryption", "tenant": TENANT}
    for name, reason, more in (
        ("other-tenant", "the claim of another tenant's first key", {"tenant": "clinic-8", "claim": claim}),
        ("of-no-tenant", "a tenant's claim where that of no tenant is looked for", {"tenant": None, "claim": claim}),
        ("other-purpose", "the claim of a key for values, where one for blind indexes is looked for",
         {"purpose": "blind-index", "claim": claim}),
        ("other-key-id", "the record is another data key's", {"claim": _flip(claim, 0)}),
        ("record-alone", "a record without a key id", {"claim": record.to_bytes()}),
        ("tombstone", "the key was shredded", {"claim": claim_of(stone)}),
        ("tag", "one bit of the record's tag is wrong", {"claim": _flip(claim, -1)}),
        ("cut", "the last byte is missing", {"claim": claim[:-1]}),
        ("trailing", "a byte too many", {"claim": claim + b"\x00"}),
        ("empty", "nothing at all", {"claim": b""}),
    ):  # fmt: skip
        failure(f"claim-{name}", reason, **wanted | more)


def _tagged_anyway(data_key: DataKey, record: KeyRecord) -> bytes:
    """Encode and tag a record that the reference implementation refuses to make, by the letter of SPEC section 6."""
    wraps = b"".join(
        len(part).to_bytes(2, "big") + part for wrap in record.wraps for part in (wrap.name.encode(), wrap.data)
    )
    tenant = (record.tenant or "").encode()
    body = b"\x01\x01" + record.created.to_bytes(8, "big") + bytes([len(tenant)]) + tenant
    body += bytes([len(record.wraps)]) + wraps

    class Letter:
        key_id = record.key_id

        def tagged_bytes(self) -> bytes:
            return body

        def _replace(self, *, tag: bytes) -> bytes:
            return body + tag

    sealed: Any = data_key.seal(Letter())  # type: ignore[arg-type]
    return bytes(sealed)


def choices() -> None:
    day, delay, now = 86_400, 300, CREATED + 10 * 86_400
    old, new = (now - 2 * day, "active"), (now - day, "active")
    young, retired = (now - 299, "active"), (now - day, "retired")
    cases: dict[str, tuple[str, list[tuple[int, str]], int | None, int | None]] = {
        # reason, records by age, which of them encrypts, not before
        "none": ("a tenant's first key is dated now", [], None, None),
        "newest": ("the newest that has waited", [old, new], 1, None),
        "waits": ("it has not reached every region", [old, young], 0, None),
        "waited": ("it has, this very second", [old, (now - 300, "active")], 1, None),
        "first-keys": ("none has waited: the oldest", [young, (now - 1, "active")], 0, None),
        "one-second": ("of one second, the key id decides", [(now - 1, "active"), (now - 1, "active")], 0, None),
        "retired-older": ("an older one that is retired changes nothing", [(old[0], "retired"), new], 1, None),
        "retired-newest": ("no older one comes back: one is made, a second newer", [old, retired], None, None),
        "retired-all": ("likewise, dated after one that waits", [retired, (now - 9, "retired")], None, None),
        "retired-then-waits": ("a newer one encrypts at once", [old, retired, young], 2, None),
        "retired-then-several": ("the oldest of those that may", [retired, young, (now - 9, "active")], 1, None),
        "clock-ahead": ("dated 61 seconds ahead: nobody waits", [old, (now + 61, "active")], 1, None),
        "clock-a-little-ahead": ("dated 60 seconds ahead: it waits", [old, (now + 60, "active")], 0, None),
        "clock-ahead-retired": ("and what replaces it is newer", [old, (now + 61, "retired")], None, None),
        "not-before": ("none is young enough: one is made, dated so", [old, new], None, now - day // 2),
        "not-before-second": ("dated at that very second is young enough", [old, new], 1, now - day),
        "not-before-waits": ("the one that waits encrypts at once", [old, new, young], 2, now - 1_000),
        "not-before-first": ("a first key is not dated earlier either", [], None, now + day),
    }
    for name, (reason, dated, encrypts, not_before) in cases.items():
        dated = sorted(dated)
        records = [
            {"key_id": f"{place:032x}", "created": created, "state": state}
            for place, (created, state) in enumerate(dated)
        ]
        common = {"kind": "choice", "records": records[::-1], "now": now, "delay": delay, "not_before": not_before}
        if encrypts is not None:
            success(f"choice-{name}", reason, **common, key_id=bytes.fromhex(f"{encrypts:032x}"))
        else:
            newest = max((created for created, _ in dated), default=now - 1)
            success(f"choice-{name}", reason, **common, created=max(newest + 1, not_before or 0))


def values() -> None:
    provider, store = LocalKeyProvider(LOCAL_KEY), MemoryKeyStore()
    stored = Encryptor(provider, store).field("patients.ssn", str)
    alone = Encryptor(provider).field("patients.ssn", str)
    text = "078-05-1120"
    for tenant, row, suffix in ((TENANT, None, ""), (None, None, "-no-tenant"), (TENANT, {"row": "42"}, "-row")):
        for form, field in (("stored", stored), ("self-contained", alone)):
            value = field.encrypt(text, tenant=tenant, context=row)
            write_value(f"{form}{suffix}", f"{form}, tenant {tenant}, row {row}", value, store, CONTEXT | (row or {}))
            if tenant is None:
                write_value(f"{form}-nobodys", "a value of no tenant, read as such", value, store, CONTEXT, tenant=None)
    for kind in ("stored", "self-contained"):
        field = stored if kind == "stored" else alone
        write_value(f"{kind}-empty", "an empty text", field.encrypt("", tenant=TENANT), store, CONTEXT)
        value = field.encrypt(text, tenant=TENANT)
        common = value_members(value, store)

        def bad(name: str, reason: str, changed: bytes, kind: str = kind, **more: Any) -> None:
            failure(f"value-{kind}-{name}", reason, **({"context": CONTEXT} | common | more), value=changed)  # noqa: B023

        bad("other-field", "read as another field", value, context={"fieldcrypt:field": "patients.name"})
        bad("row-added", "written without a row, read with one", value, context=ROW_CONTEXT)
        bad("other-tenant", "read for another tenant", value, tenant="clinic-6")
        bad("not-nobodys", "a tenant's value, read as one of no tenant", value, tenant=None)
        bad("other-local-key", "read with another local key", value, local_key=OTHER_LOCAL_KEY)
        bad("version", "an unknown version", b"\x03" + value[1:])
        bad("key-id", "another key id", _flip(value, 1))
        bad("salt", "another salt", _flip(value, 17))
        bad("nonce", "another nonce", _flip(value, 29))
        bad("ciphertext", "changed ciphertext", _flip(value, -17))
        bad("tag", "changed tag", _flip(value, -1))
        bad("cut", "the last byte is missing", value[:-1])
        bad("cut-in-nonce", "cut in the nonce", value[:40])
        bad("trailing", "a byte too many", value + b"\x00")
        bad("nothing", "nothing at all", b"")
        if kind == "self-contained":
            bad("wrap", "the wrapped key was changed", _flip(value, 100))
            bad("record-tag", "the record's tag was changed", _flip(value, len(value) - 16 - len(text) - 2))
            bad("length-short", "the length of the record is too short", _flip(value, 42))
            bad("length-long", "the length of the record is beyond the end", _flip(value, 41))
            bad("as-stored", "a self-contained value made to look stored", b"\x01" + value[1:])
    data_key, record = make_record(TENANT, Purpose.BLIND_INDEX)
    head = envelope.head(envelope.STORED, data_key.key_id)
    nonce = _system.random_bytes(24)
    sealed = data_key.cipher().encrypt(nonce, b"\x02" + text.encode(), envelope.aad(head, CONTEXT))
    failure(
        "value-index-key", "encrypted under a key whose purpose is the blind index", kind="value", local_key=LOCAL_KEY,
        record=record.to_bytes(), context=CONTEXT, value=head + nonce + sealed,
    )  # fmt: skip


def shreddings() -> None:
    alone = Encryptor(LocalKeyProvider(LOCAL_KEY)).field("patients.ssn", str)
    value, nobodys = (alone.encrypt("078-05-1120", tenant=tenant) for tenant in (TENANT, None))
    own, other, third = value[1:17], bytes(15) + b"\x01", bytes(15) + b"\x02"

    def stone(key_id: bytes, tenant: str | None, later: int, purpose: Purpose = Purpose.ENCRYPTION) -> dict[str, str]:
        tombstone = Tombstone(key_id, purpose, CREATED - 60, tenant, CREATED + later, "ann", 1)
        return {"key_id": key_id.hex(), "tombstone": tombstone.to_bytes().hex()}

    index = Purpose.BLIND_INDEX
    ended: dict[str, tuple[str, list[dict[str, str]]]] = {
        "own-key": ("a tombstone under the key id, whatever it says of tenant and time", [stone(own, "clinic-8", -1)]),
        "same-second": ("the tenant was shredded in the second in which the key was made", [stone(other, TENANT, 0)]),
        "later": ("the tenant was shredded later", [stone(other, TENANT, 1)]),
        "index-key": ("the tombstone of an index key of the tenant", [stone(other, TENANT, 1, index)]),
        "latest": ("the latest shredding counts", [stone(other, TENANT, 1), stone(third, TENANT, -1)]),
    }
    for name, (reason, stones) in ended.items():
        failure(f"value-shredded-{name}", reason, **value_members(value, MemoryKeyStore()), context=CONTEXT,
                value=value, tombstones=stones)  # fmt: skip
    living: dict[str, tuple[str, bytes, list[dict[str, str]]]] = {
        "earlier": ("the key is younger than the shredding", value, [stone(other, TENANT, -1)]),
        "other-tenant": ("another tenant was shredded", value, [stone(other, "clinic-8", 1)]),
        "no-tenant": ("a tombstone of no tenant ends its own key alone", nobodys, [stone(other, None, 1)]),
    }
    for name, (reason, data, stones) in living.items():
        write_value(f"not-shredded-{name}", reason, data, MemoryKeyStore(), CONTEXT, tombstones=stones)


def tags() -> None:
    cet = timezone(timedelta(hours=1))
    _, record = make_record(TENANT, Purpose.BLIND_INDEX)
    store = MemoryKeyStore()
    store.add(record)
    encryptor = Encryptor(LocalKeyProvider(LOCAL_KEY), store)
    good: dict[str, tuple[str, Any]] = {
        "text": ("a text", "ann@example.org"),
        "text-empty": ("an empty text", ""),
        "bytes": ("the same bytes as the text: another plaintext, another tag", b"ann@example.org"),
        "int": ("an integer", 4711),
        "true": ("a boolean: 1 is another plaintext", True),
        "decimal": ("2000.000, in its one form", Decimal("2000.000")),
        "decimal-zero": ("-0.00, in its one form", Decimal("-0.00")),
        "decimal-infinity": ("minus infinity", Decimal("-Infinity")),
        "date": ("a date", date(2026, 11, 23)),
        "datetime": ("15:49 at +01:00, in its one form", datetime(2026, 11, 23, 15, 49, tzinfo=cet)),
        "datetime-local": ("14:49 without an offset is no instant", datetime(2026, 11, 23, 14, 49)),
        "time": ("a time of day", time(14, 49)),
        "duration": ("a duration", timedelta(minutes=5)),
        "uuid": ("a UUID", UUID("00112233-4455-6677-8899-aabbccddeeff")),
    }  # fmt: skip
    common: dict[str, Any] = {
        "kind": "tag", "local_key": LOCAL_KEY, "key_id": record.key_id, "record": record.to_bytes(),
        "field": "patients.email",
    }  # fmt: skip
    for name, (reason, value) in good.items():
        _write_tag(name, reason, encryptor, value, common)
    text = "ann@example.org"
    _write_tag("one-byte", "the first byte of tag-text", encryptor, text, common, size=1)
    _write_tag("longest", "32 bytes, of which 16 are tag-text", encryptor, text, common, size=32)
    _write_tag(
        "other-field", "another field's tag of the same value", encryptor, text, common | {"field": "staff.email"}
    )
    _write_tag("nested", "of a value at a path: another tag", encryptor, text, common | {"path": "email.work"})
    _write_tag("prefix", "as text, with a constant text before it", encryptor, text, common | {"prefix": "EMAIL#"})
    _write_tag("longest-field", "a name of 255 bytes", encryptor, text, common | {"field": "ü" * 127 + "x"})
    _write_tag("tenant", "computed for the key's tenant", encryptor, text, common | {"tenant": TENANT})
    _, alone = make_record(None, Purpose.BLIND_INDEX)
    theirs = {"key_id": alone.key_id, "record": alone.to_bytes()}
    store.add(alone)
    _write_tag("no-tenant", "under a key of no tenant", encryptor, text, common | theirs | {"tenant": None})

    plaintext = codecs.Codec(str).encode(text)

    def bad(name: str, reason: str, **more: Any) -> None:
        failure(f"tag-{name}", reason, **{**common, "plaintext": plaintext, "size": 16, **more})

    _, values_record = make_record(TENANT)
    bad("value-key", "the data key is one for values", key_id=values_record.key_id, record=values_record.to_bytes())
    encoded = record.to_bytes()
    bad("record-changed", "the record was changed", record=_flip(encoded, -1))
    relabelled = values_record.to_bytes()
    relabelled = relabelled[:1] + b"\x02" + relabelled[2:]
    bad("relabelled", "a data key for values, relabelled", key_id=values_record.key_id, record=relabelled)
    bad("other-tenant", "computed for another tenant", tenant="clinic-6")
    bad("other-local-key", "wrapped under another local key", local_key=OTHER_LOCAL_KEY)
    bad("size-0", "a tag of no bytes", size=0)
    bad("size-33", "a tag longer than HMAC-SHA-256", size=33)
    bad("no-field", "a field without a name", field="")
    bad("padded", "a padded plaintext", plaintext=codecs.Codec(str, 16).encode(text))
    bad("encoding", "an encoding byte that is not assigned", plaintext=b"\x04abc")
    for name, reason, value in (
        ("float", "there are no tags of floating point numbers", 1.5),
        ("list", "nor of lists", [1]),
        ("decimal-zeros", "2000.0 is not in its one form", Decimal("2000.0")),
        ("decimal-minus-zero", "nor is -0", Decimal("-0")),
        ("decimal-nan", "not-a-number has none", Decimal("NaN")),
        ("datetime-offset", "an instant is in UTC", datetime(2026, 11, 23, tzinfo=cet)),
        ("time-offset", "a time of day with an offset has no form", time(14, 49, tzinfo=UTC)),
    ):
        bad(name, reason, plaintext=codecs.Codec(object).encode(value))


def _write_tag(
    name: str, reason: str, encryptor: Encryptor, value: Any, members: dict[str, Any], size: int = 16
) -> None:
    index: Any = encryptor.blind_index(
        members["field"], type(value), tag_size=size, accept_low_cardinality=True, path=members.get("path")
    )
    plaintext = codecs.Codec(type(value)).encode(index.normalise(value))
    tag = index.tag(value, tenant=members.get("tenant", TENANT))
    if "prefix" in members:
        members = members | {"text": IndexedBy("tag", prefix=members["prefix"]).stored(tag)}
    success(f"tag-{name}", reason, **members, plaintext=plaintext, size=size, tag=tag)


def terms() -> None:
    _, record = make_record(TENANT, Purpose.BLIND_INDEX)
    store = MemoryKeyStore()
    store.add(record)
    encryptor = Encryptor(LocalKeyProvider(LOCAL_KEY), store)
    common: dict[str, Any] = {
        "kind": "term", "local_key": LOCAL_KEY, "key_id": record.key_id, "record": record.to_bytes(),
        "field": "patients.name", "index": "name_search", "size": 16,
    }  # fmt: skip
    cet, born = timezone(timedelta(hours=1)), ["range", "1900-01-01", "2100-01-01", "1", 4, [0, 2, 6]]
    row, mail = {"row": "42"}, "ann@Stra\u00dfe.example"
    members: list[Any] = ["compound", [["surname", None], ["born", None]]]
    with_part: list[Any] = ["compound", [["clinic_id", None], ["email", "domain"]]]
    who = ("meyer", date(1990, 2, 28))
    hours = ["range", "2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00", "3600", 16, [0, 1]]
    local = ["range", "2020-01-01T00:00:00", "2021-01-01T00:00:00.500000", "0.5", 16, [0, 3]]
    good: dict[str, tuple[str, list[Any], tuple[Any, ...], dict[str, Any]]] = {
        "equal": ("a named index for equality", ["equal"], ("meyer",), {}),
        "equal-decimal": ("2000.0, in its one form", ["equal"], (Decimal("2000.0"),), {}),
        "other-index": ("another name: another tag", ["equal"], ("meyer",), {"index": "other"}),
        "other-field": ("another field", ["equal"], ("meyer",), {"field": "staff.name"}),
        "nested": ("a value at a path", ["equal"], ("meyer",), {"path": "name.last"}),
        "longest-index": ("a name of 255 bytes", ["equal"], ("meyer",), {"index": "\u00fc" * 127 + "x"}),
        "one-byte": ("the first byte of term-equal", ["equal"], ("meyer",), {"size": 1}),
        "longest": ("32 bytes", ["equal"], ("meyer",), {"size": 32}),
        "partitions": ("one of four tags", ["equal"], ("meyer",), {"partitions": 4, "row": row}),
        "partitions-row": ("of another row", ["equal"], ("meyer",), {"partitions": 4, "row": {"row": "43"}}),
        "partitions-most": ("of 256, and a key of two columns", ["equal"], ("meyer",),
            {"partitions": 256, "row": {"row.1": "7", "row.2": "a"}}),
        "last": ("the last four", ["part", "last 4", 1], ("078051120",), {}),
        "first": ("the first two", ["part", "first 2", 1], ("\U0001f600\u00e9x",), {}),
        "last-short": ("all of a shorter text", ["part", "last 4", 1], ("112",), {}),
        "last-empty": ("an empty text", ["part", "last 4", 1], ("",), {}),
        "domain": ("what follows the last @, case folded", ["part", "domain", 1], ("a@b@" + mail,), {}),
        "domain-wide": ("an @ is one before case folding", ["part", "domain", 1], ("a@b\uff20EXAMPLE.org",), {}),
        "year": ("of a date", ["part", "year", 1], (date(1990, 2, 28),), {}),
        "year-utc": ("the year in UTC", ["part", "year", 1], (datetime(2026, 1, 1, 0, 30, tzinfo=cet),), {}),
        "month": ("of a date and time", ["part", "month", 1], (datetime(1990, 2, 28, 12),), {}),
        "version": ("another version of a part", ["part", "domain", 2], (mail,), {}),
        "part-partitions": ("a version, and partitions", ["part", "domain", 2], (mail,), {"partitions": 4, "row": row}),
        "prefix": ("prefixes of 3 to 5", ["prefix", 3, 5], ("meyers",), {"row": row}),
        "prefix-dummies": ("a text of 4, so one dummy", ["prefix", 3, 5], ("meye",), {"row": row}),
        "prefix-none": ("an empty text: dummies alone", ["prefix", 3, 5], ("",), {"row": row}),
        "prefix-none-row": ("those of another row", ["prefix", 3, 5], ("",), {"row": {"row": "43"}}),
        "prefix-characters": ("characters are code points", ["prefix", 1, 3], ("\U0001f600e\u0301",), {"row": row}),
        "prefix-element": ("a dummy in an element of a list, told apart by a member", ["prefix", 3, 4], ("mey",),
            {"path": "kin[of].name", "row": {"row": "42", "element": "mother"}}),
        "partitions-element": ("and its partition", ["equal"], ("mey",),
            {"path": "kin[of].name", "row": {"row": "42", "element": "mother"}, "partitions": 256}),
        "suffix": ("suffixes of 2 to 4, and a dummy", ["suffix", 2, 4], ("abc",), {"row": row}),
        "range-date": ("days, in a tree of radix 4", born, (date(1990, 2, 28),), {}),
        "range-first": ("the minimum", born, (date(1900, 1, 1),), {}),
        "range-last": ("the maximum", born, (date(2100, 1, 1),), {}),
        "range-radix": ("another radix: unrelated tags", [*born[:4], 16, [0, 3]], (date(1990, 2, 28),), {}),
        "range-int": ("integers, the minimum below 0", ["range", "-100", "9999", "10", 2, [0, 5]], (-11,), {}),
        "range-decimal": ("decimal numbers", ["range", "-0.5", "1000", "0.25", 4, [0, 1]], (Decimal("1.13"),), {}),
        "range-float": ("floating point numbers, exactly", ["range", "0", "1000", "0.5", 4, [0]], (0.1 + 0.9,), {}),
        "range-instant": ("hours, in UTC", hours, (datetime(2020, 3, 1, 12, 59, 59, tzinfo=cet),), {}),
        "range-local": ("half seconds, without an offset", local, (datetime(2020, 3, 1, 12, 59, 59, 500_000),), {}),
        "compound": ("a surname and a birthday", members, who, {"field": "patients"}),
        "compound-types": ("an integer and a text differ", members, ("5", 5), {"field": "patients"}),
        "compound-types-other": ("the other way round", members, (5, "5"), {"field": "patients"}),
        "compound-boundaries": ("so do the places of a text's ends", members, ("ab", "c"), {"field": "patients"}),
        "compound-bytes": ("bytes, and a decimal number", members, (b"meyer", Decimal(1)), {"field": "patients"}),
        "compound-part": ("a part of one", with_part, ("7", mail), {"field": "patients"}),
        "compound-partitions": ("with partitions", with_part, ("7", mail),
            {"field": "patients", "partitions": 3, "row": row}),
    }  # fmt: skip
    for name, (reason, of, values, more) in good.items():
        how = common | more
        index = encryptor.search_index(
            how["field"], dict if of[0] == "compound" else type(values[0]), index=how["index"],
            of=kind_of(of, list(values)), tag_size=how["size"], path=how.get("path"),
            partitions=how.get("partitions", 1), accept_leakage=True, accept_low_cardinality=True,
        )  # fmt: skip
        value = values[0] if of[0] != "compound" else dict(zip((name for name, _ in of[1]), values, strict=True))
        tags = zip(index.levels, index.stored_tags(value, tenant=TENANT, row=how.get("row")), strict=True)
        found = {level.name: tag.hex() for level, tag in tags if of[0] != "range" or int(level.suffix) in of[5]}
        success(f"term-{name}", reason, **how, of=of, values=_plaintexts(*map(canonical, values)), tags=found)

    def bad(name: str, reason: str, of: list[Any], *values: Any, **more: Any) -> None:
        failure(f"term-{name}", reason, **{**common, "of": of, "values": _plaintexts(*values), **more})

    _, values_record = make_record(TENANT)
    whose = {"key_id": values_record.key_id, "record": values_record.to_bytes()}
    bad("value-key", "the data key is one for values", ["equal"], "meyer", **whose)
    bad("other-tenant", "computed for another tenant", ["equal"], "meyer", tenant="clinic-6")
    bad("no-index", "an index without a name", ["equal"], "meyer", index="")
    bad("size-33", "a tag longer than HMAC-SHA-256", ["equal"], "meyer", size=33)
    bad("form", "a value that is not in its one form", ["equal"], Decimal("1.0"))
    bad("partitions-none", "no partition at all", ["equal"], "meyer", partitions=0, row=row)
    bad("partitions-257", "more than 256", ["equal"], "meyer", partitions=257, row=row)
    bad("partitions-no-row", "nothing to choose a partition by", ["equal"], "meyer", partitions=4)
    bad("prefix-partitions", "prefixes have no partitions", ["prefix", 3, 5], "meyers", partitions=4, row=row)
    bad("prefix-no-row", "nothing to make a dummy of", ["prefix", 3, 5], "me")
    bad("prefix-0", "a prefix of no characters", ["prefix", 0, 5], "meyer", row=row)
    bad("prefix-order", "no length at all", ["prefix", 5, 3], "meyer", row=row)
    bad("prefix-int", "numbers have no prefixes", ["prefix", 1, 3], 12345, row=row)
    bad("domain-none", "a text without @", ["part", "domain", 1], "ann")
    bad("domain-empty", "nothing follows the @", ["part", "domain", 1], "ann@")
    bad("year-text", "a text has no year", ["part", "year", 1], "1990-02-28")
    bad("range-below", "below the minimum", born, date(1899, 12, 31))
    bad("range-above", "beyond the maximum", born, date(2100, 1, 2))
    bad("range-nan", "not-a-number has no place", ["range", "0", "1000", "0.5", 4, [0]], Decimal("NaN"))
    bad("range-infinity", "nor has infinity", ["range", "0", "1000", "0.5", 4, [0]], Decimal("Infinity"))
    bad("range-radix-1", "a radix of 1", [*born[:4], 1, [0]], date(1990, 2, 28))
    bad("range-offset", "a time without an offset among instants", hours, datetime(2020, 3, 1))
    bad("range-text", "a text has no place", ["range", "0", "1000", "1", 4, [0]], "5")
    bad("compound-one", "a compound of one member", ["compound", [["surname", None]]], "meyer", field="patients")
    bad("compound-missing", "a member is missing", members, "meyer", field="patients")
    bad("compound-form", "a member without a form", members, "meyer", Decimal("NaN"), field="patients")


def _plaintexts(*values: Any) -> list[str]:
    return [codecs.Codec(type(value)).encode(value).hex() for value in values]


def kind_of(of: list[Any], values: list[Any]) -> Kind | None:
    """Return the kind of index that a vector describes, for values such as these."""
    name, *how = of
    if name == "range":
        of_type: Any = type(values[0])
        read = of_type.fromisoformat if issubclass(of_type, date) else of_type
        width: Any = timedelta(**{"seconds" if of_type is datetime else "days": float(how[2])})
        width = width if issubclass(of_type, date) else read(how[2])
        return Range(read(how[0]), read(how[1]), width, radix=how[3], rows=10**15)
    if name == "compound":
        parts = {member: None if part is None else part_of(part) for member, part in how[0]}
        return Compound(parts, dict(zip(parts, map(type, values), strict=True)))
    if name == "part":
        return replace(part_of(how[0]), version=how[1])
    return {"prefix": Prefixes, "suffix": Suffixes}[name](*how) if how else None


def part_of(name: str) -> Part:
    word, _, length = name.partition(" ")
    make: Any = {"first": first, "last": last, "domain": domain, "year": year, "month": month}[word]
    return make(int(length)) if length else make()  # type: ignore[no-any-return]


def normalised() -> None:
    for normaliser, name, reason, text in (
        ("nfkc", "composed", "two code points that one stands for", "Zoe\u0308"),
        ("nfkc", "compatible", "a ligature, a digit in a circle, full width; case stays", "\ufb01 \u2460 \uff21"),
        ("casefold", "ascii", "ASCII", "Ann@Example.ORG"),
        ("casefold", "full", "one letter becomes two", "Stra\u00dfe"),
        ("casefold", "iota-below", "what is below a letter becomes a letter, behind its other marks", "\u1fb2\u0323"),
        ("casefold", "twice", "a compatibility character of capitals needs a second round", "\u33ce"),
        ("casefold", "dotted-i", "no language has rules of its own", "\u0130I\u0131"),
        ("casefold", "newest", "a letter that came with Unicode 14.0", "\U00010570"),
        ("digits", "scripts", "of several scripts; superscripts and fractions are none", "\u0660-\uff11 2\u00b2\u00bd"),
    ):
        members = {"normaliser": normaliser, "text": text, "normalised": NORMALISERS[normaliser](text)}
        success(f"normalise-{normaliser}-{name}", reason, kind="normalise", **members)
    for normaliser, name, reason, text in (
        ("nfkc", "unassigned", "U+0378 is not assigned", "a\u0378"),
        ("casefold", "newer", "U+1FAE8 came with Unicode 15.0", "\U0001fae8"),
        ("digits", "newer", "there are digits, but U+1FAE8 came with Unicode 15.0", "12\U0001fae8"),
        ("digits", "none", "there are no digits", "n/a"),
    ):
        failure(f"normalise-{normaliser}-{name}", reason, kind="normalise", normaliser=normaliser, text=text)


def item_seals() -> None:
    over = ["role", "ssn", "limits", "gone"]
    item: dict[str, Any] = {"ssn": {"B": "0001ff"}, "role": {"S": "nurse é"}, "other": {"S": "not sealed"}}
    nested = {"M": {"z": {"NULL": True}, "a": {"L": [{"BOOL": False}, {"N": "1.50"}]}}}
    for name, reason, limits in (
        ("nested", "maps and lists", nested),
        ("number-integer", "a whole number", {"N": "1200"}),
        ("number-spelling", "the same number, spelled otherwise", {"N": "1.2E+3"}),
        ("number-fraction", "a fraction", {"N": "-0.0000005"}),
        ("number-zero", "zero", {"N": "-0.00"}),
        ("sets-text", "sets have no order", {"SS": ["b", "é", "a", "Z"]}),
        ("sets-numbers", "their numbers are sorted as texts", {"NS": ["10", "9.0", "-1"]}),
        ("sets-bytes", "and byte strings by bytes", {"BS": ["ff", "00", "0001"]}),
        ("long", "lengths of two bytes", {"S": 300 * "x"}),
        ("empty", "empty values", {"L": [{"S": ""}, {"B": ""}, {"M": {}}, {"L": []}]}),
        ("float", "a floating point number, which DynamoDB has not", {"V": encode_cbor(1.5).hex()}),
        ("date", "a date, likewise", {"V": encode_cbor(date(2026, 11, 23)).hex()}),
        ("set-floats", "a set of numbers of which some are floating point", {"V": encode_cbor({1.5, 2}).hex()}),
    ):
        sealed = {**item, "limits": limits}
        digest = seal_digest(over, {name: _plain(value) for name, value in sealed.items()})
        success(f"item-seal-{name}", reason, kind="item-seal", over=over, item=sealed, digest=digest)
    success(
        "item-seal-nothing", "none of the attributes is there", kind="item-seal", over=over, item={"other": {"S": "x"}},
        digest=seal_digest(over, {"other": "x"}),
    )  # fmt: skip


def texts() -> None:
    provider, store = LocalKeyProvider(LOCAL_KEY), MemoryKeyStore()
    plain = "078-05-1120*"  # of a length that leaves bits unused in the last character
    value = Encryptor(provider, store).field("patients.ssn", str).encrypt(plain, tenant=TENANT)
    text = text_form.encode(value)
    common = value_members(value, store) | {"kind": "text", "context": CONTEXT}

    def bad(name: str, reason: str, **more: Any) -> None:
        failure(f"text-{name}", reason, **common | more)

    assert text[-1] in "AQgw" and {"-", "_"} & set(text)  # noqa: PT018
    bad("padding", "base64 with padding", text=text + "==")
    bad("alphabet", "the alphabet with + and /", text=text.replace("-", "+").replace("_", "/"))
    bad("line-end", "a line end behind it", text=text + "\n")
    bad("white-space", "white space within", text=text[:40] + " " + text[40:])
    bad("unused-bits", "an unused bit of the last character is set", text=text[:-1] + chr(ord(text[-1]) + 1))
    bad("length", "a length that base64 does not have", text=text[:-1])
    bad("upper-case", "the prefix in upper case", text="FC1." + text[4:])
    bad("other-field", "read as another field", text=text, context={"fieldcrypt:field": "patients.name"})
    bad("json-within", "in JSON, within an array", json=[text])
    members = common | {"value": value, "plaintext": b"\x02" + plain.encode()}
    success("text-stored", "a stored value", **members, text=text)
    success("text-json", "a document of JSON", **members, json=text)
    value = Encryptor(provider).field("patients.ssn", str).encrypt(plain)
    members |= {"record": None, "value": value}
    success("text-self-contained", "a self-contained value", **members, text=text_form.encode(value))


def canaries() -> None:
    provider, store = LocalKeyProvider(LOCAL_KEY), MemoryKeyStore()
    for form, encryptor in (("stored", Encryptor(provider, store)), ("self-contained", Encryptor(provider))):
        field = encryptor.field("patients.ssn", str)
        salts: dict[int, bytes] = {}  # by the number of the salt, which is drawn
        while len(salts) < CANARY_SALTS:
            with encryptor.writing_canaries():
                value = field.encrypt("078-05-1120", tenant=TENANT)
                salts.setdefault(data_key_of(value, store).canary_salts().index(value[envelope.SALT]), value)
        common = value_members(value, store) | {"kind": "canary"}
        for number in (0, 7, 15):
            reason = f"{form}, the salt number {number} of canaries"
            success(f"canary-{form}-{number}", reason, **common, value=salts[number], number=number)
            if number == 7:
                name = f"canary-{form}"
                write_value(name, "a canary decrypts as any value", salts[number], store, CONTEXT, tenant=TENANT)
        ordinary = field.encrypt("078-05-1120", tenant=TENANT)
        failure(f"canary-{form}-none", "an ordinary value under the same data key", **common, value=ordinary)
        changed = _flip(salts[0], 17)
        failure(f"canary-{form}-salt", "one bit of a canary's salt is wrong", **common, value=changed)


def _plain(value: dict[str, Any]) -> Any:
    """Return a value that is in DynamoDB's form in JSON, where byte strings are in hexadecimal."""
    ((kind, content),) = value.items()
    if kind == "V":
        return decode_cbor(bytes.fromhex(content))
    if kind == "M":
        return {name: _plain(member) for name, member in content.items()}
    if kind in ("L", "SS", "NS", "BS"):
        members = [_plain(member if kind == "L" else {kind[0]: member}) for member in content]
        return members if kind == "L" else set(members)
    if kind == "B":
        return bytes.fromhex(content)
    if kind == "NULL":
        return None
    return Decimal(content) if kind == "N" else content


def value_members(value: bytes, store: MemoryKeyStore) -> dict[str, Any]:
    parts = envelope.parse(value)
    record = store.get(parts.key_id).to_bytes() if parts.record is None else None
    return {"kind": "value", "local_key": LOCAL_KEY, "record": record}


def data_key_of(value: bytes, store: MemoryKeyStore) -> DataKey:
    parts = envelope.parse(value)
    record = KeyRecord.from_bytes(parts.key_id, parts.record or store.get(parts.key_id).to_bytes())
    return DataKey(LocalKeyProvider(LOCAL_KEY).unwrap(record.wraps, record.context()), chosen(None))


def write_value(
    name: str, reason: str, value: bytes, store: MemoryKeyStore, context: dict[str, str], **more: Any
) -> None:
    parts = envelope.parse(value)
    members = value_members(value, store)
    aad = envelope.aad(value[envelope.HEAD], context)
    plaintext = data_key_of(value, store).cipher().decrypt(parts.nonce, parts.ciphertext, aad)
    success(f"value-{name}", reason, **members, **more, context=context, value=value, plaintext=plaintext)


def make_record(
    tenant: str | None, purpose: Purpose = Purpose.ENCRYPTION, also: list[WrappedKey] | None = None
) -> tuple[DataKey, KeyRecord]:
    data_key = DataKey.generate(chosen(None))
    wraps = LocalKeyProvider(LOCAL_KEY).wrap(data_key.secret, wrap_context(data_key.key_id, purpose, CREATED, tenant))
    record = KeyRecord(data_key.key_id, purpose, CREATED, tenant, sorted_wraps([*wraps, *(also or [])]))
    return data_key, data_key.seal(record)


def success(name: str, reason: str, **members: Any) -> None:
    _write(name, "success", reason, members)


def failure(name: str, reason: str, **members: Any) -> None:
    _write(name, "failure", reason, members)


def _write(name: str, expect: str, reason: str, members: dict[str, Any]) -> None:
    kind = members.pop("kind")
    written = {"kind": kind, "expect": expect, "reason": reason}
    for member, value in members.items():
        if value is not None or member == "tenant":
            written[member] = value.hex() if isinstance(value, bytes) else value
    path = DIRECTORY / f"{name}.json"
    if path.exists():
        raise RuntimeError(f"two scenarios are called {name}")
    path.write_text(json.dumps(written, indent=2, ensure_ascii=True) + "\n")


def _flip(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def _fix_randomness(seed: str) -> None:
    """Make all that the core takes from the operating system a function of the seed."""
    stream = _Stream(seed.encode())
    _system.random_bytes = stream.take
    _system.wall_clock = lambda: float(CREATED)


class _Stream:
    take: Callable[[int], bytes]

    def __init__(self, seed: bytes) -> None:
        position = 0

        def take(size: int) -> bytes:
            nonlocal position
            position += size
            return hashlib.shake_256(seed).digest(position)[-size:]

        self.take = take


if __name__ == "__main__":
    main()
