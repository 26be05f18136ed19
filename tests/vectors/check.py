"""Verify the test vectors with a second implementation of the format.

Written from SPEC.md alone, this file shares no code with fieldcrypt; the section numbers below are those of SPEC.md.
Run it with a directory of vectors, or without an argument for the directory that it lies in.

For each kind of vector there is a function in KINDS that reads the inputs as a reader would and returns what it found
out, as members of the vector. A success vector must say the same; for a failure vector the function must refuse.
"""

import hashlib
import hmac
import json
import re
import string
import struct
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

Vector = dict[str, Any]

PURPOSES = {1: "encryption", 2: "blind-index"}
MERSENNE = 2**61 - 1
NEWER_CHARACTERS = "\U0001fae8"  # of the vectors, than Unicode 14.0, which later Pythons know


class Refused(Exception):  # noqa: N818
    """A reader must refuse this (section 7)."""


class BadVector(Exception):  # noqa: N818
    """The file is not a test vector, so that it says nothing about the format."""


def need(condition: bool, complaint: str) -> None:
    if not condition:
        raise Refused(complaint)


class Reader:
    """Takes bytes from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        need(count <= len(self.data) - self.at, "bytes are missing")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def end(self) -> None:
        need(self.at == len(self.data), "bytes are left over")


# Section 1: keys


class Key(NamedTuple):
    """A data key and what its record says of it."""

    purpose: str
    created: int
    tenant: str | None
    data_key: bytes


def hkdf(key: bytes, info: str, size: int = 32) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt."""
    extracted = hmac.digest(bytes(32), key, hashlib.sha256)
    output = block = b""
    for number in range(1, -(-size // 32) + 1):
        block = hmac.digest(extracted, block + info.encode() + bytes([number]), hashlib.sha256)
        output += block
    return output[:size]


# Section 2: encryption context


def encode_context(context: dict[str, str]) -> bytes:
    need(bool(context), "the context is empty")
    need(all(isinstance(value, str) for value in context.values()), "a context value is not text")
    encoded = b""
    for key, value in sorted((key.encode(), value.encode()) for key, value in context.items()):
        need(1 <= len(key) <= 0xFFFF, "length of a context key")
        need(len(value) <= 0xFFFF, "length of a context value")
        encoded += len(key).to_bytes(2, "big") + key + len(value).to_bytes(2, "big") + value
    return encoded


# Section 3: XAES-256-GCM


def path_parts(path: str) -> tuple[str, int, bool]:
    """The first name of a path, in how many lists elements are told apart, and whether there is more than the name."""
    first, rest = path_name(path)
    nested, told_by = rest != "", 0
    while rest:
        if rest.startswith("[]"):
            rest = rest[2:]
            continue
        if rest.startswith("["):
            told_by += 1
            _, rest = path_name(rest[1:])
            need(rest.startswith("]."), "the name in brackets, and a member behind it")
            rest = rest[1:]
        need(rest.startswith("."), "a separator")
        _, rest = path_name(rest[1:])
    return first, told_by, nested


def path_name(text: str) -> tuple[str, str]:
    """The name that a text begins with, without backslashes, and what follows it."""
    name, at = "", 0
    while at < len(text) and text[at] not in ".[]":
        if text[at] == "\\":
            at += 1
            need(text[at : at + 1] in tuple(".[]\\"), "a backslash before another character")
        name, at = name + text[at], at + 1
    need(name != "", "a name")
    return name, text[at:]


def xaes(key: bytes, nonce: bytes) -> AESGCM:
    """AES-256-GCM under the key that XAES-256-GCM derives; to be used with the last 12 bytes of the nonce."""
    need(len(key) == 32, "length of the key")
    need(len(nonce) == 24, "length of the nonce")
    block = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
    doubled = int.from_bytes(block.update(bytes(16)), "big") << 1
    subkey = doubled ^ (1 << 128 | 0x87) if doubled >> 128 else doubled  # K1 of CMAC
    messages = (bytes([0, counter]) + b"X\x00" + nonce[:12] for counter in (1, 2))
    return AESGCM(b"".join(block.update((int.from_bytes(m, "big") ^ subkey).to_bytes(16, "big")) for m in messages))


def xaes_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    return xaes(key, nonce).decrypt(nonce[12:], ciphertext, aad)


# Section 4: values


def open_value(local_key: bytes, value: bytes, stored: bytes | None, context: dict[str, str]) -> tuple[bytes, Key]:
    """The plaintext and the key; `stored` is the record in the key store, if there is one."""
    reader = Reader(value)
    version, key_id, nonce = reader.uint(1), reader.take(16), reader.take(24)
    need(version in (1, 2), "version of the value")
    record = reader.take(reader.uint(2)) if version == 2 else stored
    if record is None:
        raise Refused("no record is stored under the key id")
    key = open_record(local_key, key_id, record)
    need(key.purpose == "encryption", "purpose of the key")
    aad = bytes([version]) + key_id + encode_context(context)
    need(1 <= len(context.get("fieldcrypt:field", "").encode()) <= 255, "length of the field name")
    need(all(name == "fieldcrypt:field" or not name.startswith("fieldcrypt:") for name in context), "reserved name")
    return xaes_decrypt(hkdf(key.data_key, "fieldcrypt/v1 encryption"), nonce, reader.rest(), aad), key


# Section 5: plaintext


def read_plaintext(plaintext: bytes) -> tuple[str, bytes]:
    """Check a plaintext; returns the kind of its body and the body without padding."""
    need(bool(plaintext), "no encoding byte")
    encoding, body = plaintext[0], plaintext[1:]
    if encoding & 0x80:
        body = body.rstrip(b"\x00")
        need(body.endswith(b"\x80"), "padding")
        body = body[:-1]
    kind = {1: "bytes", 2: "text", 3: "cbor"}.get(encoding & 0x7F, "")
    need(kind != "", "encoding byte")
    if kind == "text":
        body.decode()
    if kind == "cbor":
        reader = Reader(body)
        need(cbor_item(reader) not in ("null", "bytes", "text"), "type of the outermost CBOR item")
        reader.end()
    return kind, body


def cbor_head(reader: Reader) -> tuple[int, int, int]:
    """The major type, the five bits after it, and the argument (for a float, its bits)."""
    major, info = divmod(reader.uint(1), 32)
    if info < 24:
        return major, info, info
    need(info <= 27, "indefinite length, or reserved")
    size = 1 << (info - 24)
    argument = reader.uint(size)
    shorter = 24 if size == 1 else 1 << (size * 4)
    need(major == 7 or argument >= shorter, "not the shortest encoding")
    return major, info, argument


def cbor_item(reader: Reader, depth: int = 0) -> str:
    """Check one item within `depth` lists, maps and sets; returns its type as far as a caller may care."""
    major, info, argument = cbor_head(reader)
    match major:
        case 0 | 1:
            return "integer"
        case 2:
            reader.take(argument)
            return "bytes"
        case 3:
            reader.take(argument).decode()
            return "text"
        case 4:
            cbor_items(reader, argument, depth + 1)
            return "list"
        case 5:
            check_members(cbor_items(reader, 2 * argument, depth + 1)[::2])
            return "map"
        case 6:
            return cbor_tagged(reader, argument, depth)
    return cbor_simple(info, argument)


def cbor_items(reader: Reader, count: int, depth: int) -> list[tuple[str, bytes]]:
    """The types and encodings of the items of a list, map or set."""
    need(depth <= 64, "nested too deep")
    items = []
    for _ in range(count):
        start = reader.at
        items.append((cbor_item(reader, depth), reader.data[start : reader.at]))
    return items


def may_be_member(kind: str, encoding: bytes) -> bool:
    """Whether an item may be a key of a map, or an element of a set."""
    not_a_number = encoding == b"\xf9\x7e\x00" or (encoding.startswith(b"\xd9\xfc\x01") and b"NaN" in encoding)
    return kind not in ("list", "map", "set") and not not_a_number


def check_members(items: list[tuple[str, bytes]]) -> None:
    """Check the keys of a map or the elements of a set."""
    need(all(may_be_member(*item) for item in items), "a list, map, set or not-a-number as a key or an element")
    members = [member_of(encoding) for _, encoding in items]
    need(len(set(members)) == len(members), "a key or an element twice")
    residues: dict[int, list[Member]] = {}
    for member in members:
        if member.residue is not None:
            residues.setdefault(-2 if member.residue == -1 else member.residue, []).append(member)
    for alike in residues.values():
        need(len(alike) <= 100, "more than 100 members of one residue")
        if len({member.is_decimal for member in alike}) > 1:
            need(len(alike) <= 8, "more than 8 members of one residue, of decimal numbers and others")
            need(not any(member.is_long for member in alike), "a long integer and a decimal number of one residue")


class Member(NamedTuple):
    """A key or an element: what it is equal by, and what hash tables would make of it."""

    identity: object
    residue: int | None = None
    is_decimal: bool = False
    is_long: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


def member_of(encoding: bytes) -> Member:
    major, info, argument = cbor_head(reader := Reader(encoding))
    if major in (0, 1):
        return number_member(argument if major == 0 else -1 - argument)
    if major == 6 and argument in (2, 3):
        count = int.from_bytes(cbor_string(reader, 2), "big")
        return number_member(count if argument == 2 else -1 - count)
    if major == 7 and info in (20, 21):
        return number_member(info - 20)
    if major == 7 and info == 25:
        return Member("Infinity" if argument == 0x7C00 else "-Infinity")
    if major == 7 and info == 27:
        return number_member(struct.unpack(">d", encoding[1:])[0])
    if major == 6 and argument == 37:
        return Member(encoding, int.from_bytes(encoding[-16:], "big") % MERSENNE)
    if major == 6 and argument in (0, 64513, 64515):
        text = cbor_string(reader, 3).decode()
        if argument == 64513:
            return decimal_member(text)
        if argument == 0:
            moment = datetime.fromisoformat(text)
            local, offset = moment.replace(tzinfo=None) - datetime.min, moment.utcoffset()
        else:
            clock = time.fromisoformat(text)
            local, offset = datetime.combine(date.min, clock.replace(tzinfo=None)) - datetime.min, clock.utcoffset()
        return Member(encoding if offset is None else (argument, local - offset))
    return Member(encoding)


def number_member(value: int | float) -> Member:
    number = Fraction(value)
    residue = abs(number.numerator) % MERSENNE * pow(number.denominator, -1, MERSENNE) % MERSENNE
    residue = -residue if number < 0 else residue
    return Member(number, residue, is_long=abs(number) >= 2**1024)


def decimal_member(text: str) -> Member:
    if "Infinity" in text:
        return Member(text)
    sign, digits, exponent = decimal_parts(text)
    coefficient = int(digits)
    while coefficient and coefficient % 10 == 0:
        coefficient, exponent = coefficient // 10, exponent + 1
    residue = coefficient * pow(10, exponent, MERSENNE) % MERSENNE
    if abs(exponent) <= 10_000:  # then there may be an integer or a floating point number that is equal
        identity: object = sign * coefficient * Fraction(10) ** exponent
    else:
        identity = (sign, coefficient, exponent) if coefficient else Fraction(0)
    return Member(identity, sign * residue, is_decimal=True)


def decimal_parts(text: str) -> tuple[int, str, int]:
    """The sign of a finite decimal number, its digits, and the exponent of the last one."""
    matched = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?", text, re.ASCII)
    if matched is None:
        raise Refused("not a decimal number")
    sign, whole, fraction, exponent = matched.groups(default="")
    return -1 if sign else 1, whole + fraction, int(exponent or 0) - len(fraction)


def cbor_simple(info: int, argument: int) -> str:
    if info in (20, 21, 22):
        return "null" if info == 22 else "boolean"
    special = info == 25 and argument in (0x7E00, 0x7C00, 0xFC00)
    finite = info == 27 and argument >> 52 & 0x7FF != 0x7FF
    need(special or finite, "simple value or floating point number")
    return "float"


def cbor_string(reader: Reader, wanted: int) -> bytes:
    major, _, argument = cbor_head(reader)
    need(major == wanted, "content of a tag")
    return reader.take(argument)


def cbor_tagged(reader: Reader, tag: int, depth: int) -> str:
    if tag in (2, 3):
        number = cbor_string(reader, 2)
        need(len(number) > 8 and number[0] != 0, "big number that is not one, or with leading zeros")
    elif tag in (0, 1004, 64513, 64514, 64515):
        text = cbor_string(reader, 3).decode()
        need(canonical(tag, text) == text, "text that is not in the canonical form")
    elif tag == 37:
        need(len(cbor_string(reader, 2)) == 16, "length of a UUID")
    elif tag == 258:
        cbor_set(reader, depth + 1)
        return "set"
    elif tag == 64516:
        major, _, inner = cbor_head(reader)
        need(major in (0, 1) or (major == 6 and inner in (2, 3)), "duration that is not an integer")
        if major == 6:
            cbor_tagged(reader, inner, depth)
    else:
        raise Refused("unknown tag")
    return "tagged"


def cbor_set(reader: Reader, depth: int) -> None:
    major, _, count = cbor_head(reader)
    need(major == 4, "set that is not an array")
    items = cbor_items(reader, count, depth)
    need(all(one < two for (_, one), (_, two) in pairwise(items)), "order of a set")
    check_members(items)


def canonical(tag: int, text: str) -> str:
    """The only text in which the tag may hold what this text says."""
    if tag == 64513:
        if re.fullmatch(r"-?(s?NaN(0|[1-9]\d*)?|Infinity)", text, re.ASCII) is None:
            _, digits, exponent = decimal_parts(text)
            largest = exponent if int(digits) == 0 else exponent + len(digits.lstrip("0")) - 1
            need(largest <= 999_999_999_999_999_999, "exponent that is too large")
            need(exponent >= -1_999_999_999_999_999_997, "exponent that is too small")
        try:
            return str(Decimal(text))
        except InvalidOperation:
            raise Refused("not a decimal number") from None
    if tag == 1004:
        return date.fromisoformat(text).isoformat()
    value = time.fromisoformat(text) if tag == 64515 else datetime.fromisoformat(text)
    offset = value.utcoffset()
    need(tag == 64515 or (tag == 0) == (offset is not None), "date and time with an offset, or without")
    need(offset is None or offset.microseconds == 0, "fraction of a second in an offset")
    return value.isoformat()


# Section 6: key records


def open_record(local_key: bytes, key_id: bytes, record: bytes) -> Key:
    reader = Reader(record)
    need(reader.uint(1) == 1, "version of the record")
    purpose = PURPOSES.get(reader.uint(1))
    if purpose is None:
        raise Refused("unknown purpose")
    created = reader.uint(8)
    need(created <= 253402300799, "time of creation")
    tenant = reader.take(reader.uint(1)).decode() or None
    wraps = read_wraps(reader)
    untagged = record[: reader.at]
    tag = reader.take(32)
    reader.end()

    context = {
        "fieldcrypt:key-id": key_id.hex(),
        "fieldcrypt:purpose": purpose,
        "fieldcrypt:created": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if tenant is not None:
        context["fieldcrypt:tenant"] = tenant
    data_key = unwrap(local_key, wraps, encode_context(context))
    need(hkdf(data_key, "fieldcrypt/v1 key id", 16) == key_id, "key id")
    expected = hmac.digest(hkdf(data_key, "fieldcrypt/v1 record"), key_id + untagged, hashlib.sha256)
    need(hmac.compare_digest(expected, tag), "tag of the record")
    return Key(purpose, created, tenant, data_key)


def read_wraps(reader: Reader) -> dict[str, bytes]:
    count = reader.uint(1)
    need(count >= 1, "no wraps")
    wraps: dict[str, bytes] = {}
    last = b""  # every name comes after it, but for an empty one
    for _ in range(count):
        name = reader.take(reader.uint(2))
        need(name > last, "empty name, or order of the names")
        wraps[name.decode()] = reader.take(reader.uint(2))
        need(len(wraps[name.decode()]) >= 1, "length of a wrapped key")
        last = name
    return wraps


def unwrap(local_key: bytes, wraps: dict[str, bytes], aad: bytes) -> bytes:
    name = "local:" + hkdf(local_key, "fieldcrypt/v1 local name", 8).hex()
    need(name in wraps, "no wrap is for the local key")
    wrapped = wraps[name]
    need(len(wrapped) == 72, "length of the wrapped data key")
    return xaes_decrypt(hkdf(local_key, "fieldcrypt/v1 local wrap"), wrapped[:24], wrapped[24:], aad)


def read_tombstone(tombstone: bytes) -> Vector:
    reader = Reader(tombstone)
    need(reader.uint(1) == 2, "version of the tombstone")
    purpose = PURPOSES.get(reader.uint(1))
    need(purpose is not None, "purpose")
    created = reader.uint(8)
    tenant = reader.take(reader.uint(1)).decode() or None
    shredded = reader.uint(8)
    need(max(created, shredded) <= 253402300799, "time")
    keys = reader.uint(4)
    need(keys >= 1, "number of keys")
    length = reader.uint(2)
    need(1 <= length <= 1024, "length of who did it")
    by = reader.take(length).decode()
    reader.end()
    return {
        "purpose": purpose, "created": created, "tenant": tenant, "shredded": shredded, "by": by, "keys": keys
    }  # fmt: skip


# Section 11: blind indexes


def compute_tag(key: Key, field: str, path: str | None, plaintext: bytes, size: int) -> bytes:
    need(key.purpose == "blind-index", "purpose of the key")
    need(1 <= size <= 32, "size of the tag")
    need(1 <= len(field.encode()) <= 255, "length of the field name")
    one_form(plaintext)
    context = encode_context({"fieldcrypt:field": field} | ({} if path is None else {"path": path}))
    message = len(context).to_bytes(4, "big") + context + plaintext
    return hmac.digest(hkdf(key.data_key, "fieldcrypt/v1 blind index"), message, hashlib.sha256)[:size]


def has_one_form(item: bytes) -> bool:
    """Whether a valid CBOR item is the form of all values that are equal to it."""
    major, info, argument = cbor_head(reader := Reader(item))
    if major != 6:
        return major in (0, 1) or (major == 7 and info in (20, 21))
    if argument in (0, 64513, 64515):
        text = cbor_string(reader, 3).decode()
        if argument == 0:
            return text.endswith("+00:00")
        if argument == 64515:
            return time.fromisoformat(text).utcoffset() is None
        number = Decimal(text)
        digits = number.as_tuple().digits
        return text == "0" or number.is_infinite() or (number.is_finite() and bool(number) and digits[-1] != 0)
    return argument in (2, 3, 37, 1004, 64514, 64516)


def normalised(name: str, text: str) -> str:
    """What a normaliser makes of a text; "casefold" in the words of Unicode's D146, and then composed."""
    need(not any(unicodedata.category(letter) == "Cn" or letter in NEWER_CHARACTERS for letter in text), "unassigned")
    if name == "nfkc":
        return unicodedata.normalize("NFKC", text)
    if name == "digits":
        found = [str(unicodedata.decimal(letter)) for letter in text if unicodedata.category(letter) == "Nd"]
        need(found != [], "no digits")
        return "".join(found)
    need(name == "casefold", "normaliser")
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", once.casefold()))


# Section 14: terms

Terms = dict[str, bytes | None]  # plaintexts by level; none at a level that the value does not reach


def one_form(plaintext: bytes) -> tuple[str, bytes]:
    kind, body = read_plaintext(plaintext)
    need(plaintext[0] & 0x80 == 0, "padded")
    need(kind != "cbor" or has_one_form(body), "no value that has tags, or not in its one form")
    return kind, body


def text_of(plaintext: bytes) -> str:
    kind, body = one_form(plaintext)
    need(kind == "text", "no text")
    return body.decode()


def moment_of(body: bytes) -> date:
    """The date, or the date and time, that a CBOR item is."""
    major, _, argument = cbor_head(reader := Reader(body))
    need(major == 6 and argument in (0, 1004, 64514), "no date")
    text = cbor_string(reader, 3).decode()
    return date.fromisoformat(text) if argument == 1004 else datetime.fromisoformat(text)


def terms_equal(values: list[bytes]) -> tuple[Terms, str]:
    one_form(values[0])
    return {"equal": values[0]}, ""


def terms_part(values: list[bytes], name: str, version: int) -> tuple[Terms, str]:
    need(version >= 1, "version")
    return {f"part {name}": part_of(name, values[0])}, "" if version == 1 else f"version {version}"


def part_of(name: str, plaintext: bytes) -> bytes:
    word, _, number = name.partition(" ")
    if word in ("first", "last"):
        need(re.fullmatch("[1-9][0-9]*", number) is not None, "number of characters")
        text = text_of(plaintext)
        return b"\x02" + (text[: int(number)] if word == "first" else text[-int(number) :]).encode()
    if name == "domain":
        found = text_of(plaintext).rpartition("@")
        need(found[1] != "" and found[2] != "", "no domain")
        return b"\x02" + normalised("casefold", found[2]).encode()
    need(name in ("year", "month"), "no part that is the same everywhere")
    moment = moment_of(one_form(plaintext)[1])
    return b"\x03" + cbor_of(moment.year if name == "year" else moment.month)


def terms_prefix(values: list[bytes], shortest: int, longest: int) -> tuple[Terms, str]:
    need(1 <= shortest <= longest, "lengths")
    text, lengths = text_of(values[0]), range(shortest, longest + 1)
    return {f"prefix {n}": b"\x02" + text[:n].encode() if len(text) >= n else None for n in lengths}, ""


def terms_suffix(values: list[bytes], shortest: int, longest: int) -> tuple[Terms, str]:
    need(1 <= shortest <= longest, "lengths")
    text, lengths = text_of(values[0]), range(shortest, longest + 1)
    return {f"suffix {n}": b"\x02" + text[len(text) - n :].encode() if len(text) >= n else None for n in lengths}, ""


def terms_range(
    values: list[bytes], low: str, high: str, width: str, radix: int, levels: list[int]
) -> tuple[Terms, str]:
    need(2 <= radix <= 256, "radix")
    need(number_text(width) == width and Fraction(width) > 0, "resolution")
    body = values[0][1:]
    need(values[0][0] == 3, "no value on a scale")
    if body[0] == 0xFB:
        place, value = Fraction, struct.unpack(">d", body[1:])[0]
    else:
        need(has_one_form(body), "not in its one form")
        place, value = scale_of(body)
    need(isinstance(value, date) or abs(value) < float("inf"), "no number, or infinite")
    if isinstance(value, date):
        ends: list[Any] = [type(value).fromisoformat(each) for each in (low, high)]
        need([each.isoformat() for each in ends] == [low, high], "spelling of a bound")
        need(
            not isinstance(value, datetime) or all((each.tzinfo is None) == (value.tzinfo is None) for each in ends), ""
        )
    else:
        ends = [Fraction(each) for each in (low, high)]
        need([number_text(each) for each in (low, high)] == [low, high], "spelling of a bound")
    need(place(ends[0]) <= place(value) <= place(ends[1]), "beyond the bounds")
    leaf = (place(value) - place(ends[0])) // Fraction(width)
    nodes = {level: leaf // radix**level for level in levels}
    return {f"range {at}": b"\x03" + cbor_of([at, node]) for at, node in nodes.items()}, f"{low} {high} {width} {radix}"


def scale_of(body: bytes) -> tuple[Any, Any]:
    """What says where values of one type lie, and the value that a CBOR item is."""
    major, _, argument = cbor_head(reader := Reader(body))
    if major in (0, 1):
        return Fraction, argument if major == 0 else -1 - argument
    need(major == 6 and argument in (0, 1004, 64513, 64514), "no value on a scale")
    if argument == 64513:
        return Fraction, Decimal(cbor_string(reader, 3).decode())
    if argument == 1004:
        return lambda day: Fraction(day.toordinal()), moment_of(body)
    second = Fraction(1, 1_000_000)
    return (
        lambda moment: (moment.replace(tzinfo=None) - datetime.min) // timedelta(microseconds=1) * second,
        moment_of(body),
    )


def terms_compound(values: list[bytes], members: list[tuple[str, str | None]]) -> tuple[Terms, str]:
    need(len(members) >= 2 and len(values) == len(members), "members")
    pairs, parts = b"", []
    for at, (plaintext, (name, part)) in enumerate(zip(values, members, strict=True)):
        if part is not None:
            parts.append(f"{at} {part}")
            plaintext = part_of(part, plaintext)
        kind, body = one_form(plaintext)
        item = body if kind == "cbor" else cbor_of(body.decode() if kind == "text" else body)
        pairs += b"\x82" + cbor_of(name) + item
    return {"compound": b"\x03" + cbor_start(4, len(members)) + pairs}, ", ".join(parts)


TERMS: dict[str, Callable[..., tuple[Terms, str]]] = {
    "equal": terms_equal,
    "part": terms_part,
    "prefix": terms_prefix,
    "suffix": terms_suffix,
    "range": terms_range,
    "compound": terms_compound,
}


def check_term(vector: Vector) -> Vector:
    key = open_record(unhex(vector, "local_key", "{32}"), unhex(vector, "key_id", "{16}"), unhex(vector, "record"))
    need("tenant" not in vector or vector["tenant"] == key.tenant, "tenant of the key")
    need(key.purpose == "blind-index", "purpose of the key")
    need(1 <= vector["size"] <= 32, "size of the tag")
    need(all(1 <= len(vector[name].encode()) <= 255 for name in ("field", "index")), "length of a name")
    kind, *how = vector["of"]
    terms, parameters = TERMS[kind]([bytes.fromhex(each) for each in vector["values"]], *how)
    partitions = vector.get("partitions", 1)
    need(1 <= partitions <= 256 and (partitions == 1 or kind in ("equal", "part", "compound")), "partitions")
    said = [parameters] * (parameters != "") + [f"partitions {partitions}"] * (partitions > 1)
    context = {"fieldcrypt:field": vector["field"], "fieldcrypt:index": vector["index"]}
    context |= {"path": vector["path"]} if "path" in vector else {}
    context |= {"fieldcrypt:parameters": " ".join(said)} if said else {}

    def tagged(level: str, message: bytes, **more: str) -> bytes:
        encoded = encode_context({**context, "fieldcrypt:level": level, **more})
        message = len(encoded).to_bytes(4, "big") + encoded + message
        return hmac.digest(hkdf(key.data_key, "fieldcrypt/v1 blind index"), message, hashlib.sha256)

    more = {}
    if partitions > 1:
        chosen = tagged("partition", encode_context(vector.get("row", {})))
        more = {"fieldcrypt:partition": str(int.from_bytes(chosen[:8], "big") % partitions)}
    found = {}
    for level, term in terms.items():
        if term is None:
            tag = tagged(f"dummy {level.partition(' ')[2]}", encode_context(vector.get("row", {})))
        else:
            tag = tagged(level, term, **more)
        found[level] = tag[: vector["size"]].hex()
    return {"tags": found}


# Section 13: text form


def bytes_of_text(text: Any) -> bytes:
    """The value that a text stands for, read character by character."""
    need(isinstance(text, str), "no text")
    need(text[:4] == "fc1.", "prefix")
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    need(all(letter in alphabet for letter in text[4:]), "alphabet")
    bits = "".join(f"{alphabet.index(letter):06b}" for letter in text[4:])
    unused = len(bits) % 8
    need(unused < 6, "length")
    need("1" not in bits[len(bits) - unused :], "unused bits")
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - unused, 8))


# Section 10: test vectors


def unhex(vector: Vector, member: str, size: str = "*") -> bytes:
    text = str(vector.get(member))
    if not re.fullmatch("([0-9a-f]{2})" + size, text):
        raise BadVector(f"{member} is not lower-case hexadecimal, or of the wrong length")
    return bytes.fromhex(text)


def check_xaes(vector: Vector) -> Vector:
    key, nonce, aad, ciphertext = (unhex(vector, member) for member in ("key", "nonce", "aad", "ciphertext"))
    plaintext = xaes_decrypt(key, nonce, ciphertext, aad)
    return {"plaintext": plaintext.hex(), "ciphertext": xaes(key, nonce).encrypt(nonce[12:], plaintext, aad).hex()}


def check_context(vector: Vector) -> Vector:
    return {"encoded": encode_context(vector["context"]).hex()}


def check_path(vector: Vector) -> Vector:
    first, told_by, nested = path_parts(vector["path"])
    need(len(vector["elements"]) == told_by, "number of elements")
    names = ["element"] if told_by == 1 else [f"element.{number + 1}" for number in range(told_by)]
    context = {"fieldcrypt:field": f"{vector['record']}.{first}", **dict(zip(names, vector["elements"], strict=True))}
    return {"context": context | ({"path": vector["path"]} if nested else {})}


def check_plaintext(vector: Vector) -> Vector:
    kind, body = read_plaintext(unhex(vector, "plaintext"))
    return {"body_kind": kind, "body": body.hex()}


def check_record(vector: Vector) -> Vector:
    key = open_record(unhex(vector, "local_key", "{32}"), unhex(vector, "key_id", "{16}"), unhex(vector, "record"))
    return key._asdict() | {"data_key": key.data_key.hex()}


def check_value(vector: Vector) -> Vector:
    return opened(vector, unhex(vector, "value"))


def check_text(vector: Vector) -> Vector:
    value = bytes_of_text(vector["json"] if "json" in vector else vector["text"])
    return opened(vector, value) | {"value": value.hex()}


def opened(vector: Vector, value: bytes) -> Vector:
    local_key = unhex(vector, "local_key", "{32}")
    record = None if vector.get("record") is None else unhex(vector, "record")
    plaintext, key = open_value(local_key, value, record, vector["context"])
    for stone in vector.get("tombstones", ()):
        need(not ends(stone["key_id"], read_tombstone(unhex(stone, "tombstone")), value[1:17].hex(), key), "shredded")
    need("tenant" not in vector or vector["tenant"] == key.tenant, "tenant of the key")
    read_plaintext(plaintext)
    return {"plaintext": plaintext.hex()}


def ends(key_id: str, stone: Vector, own_key_id: str, key: Key) -> bool:
    """Whether a tombstone in the key store ends the data key of a self-contained value."""
    of_tenant = stone["tenant"] is not None and stone["tenant"] == key.tenant
    return key_id == own_key_id or (of_tenant and key.created <= stone["shredded"])


def check_canary(vector: Vector) -> Vector:
    reader = Reader(unhex(vector, "value"))
    version, key_id, salt = reader.uint(1), reader.take(16), reader.take(12)
    reader.take(12)
    record = reader.take(reader.uint(2)) if version == 2 else unhex(vector, "record")
    salts = hkdf(open_record(unhex(vector, "local_key", "{32}"), key_id, record).data_key, "fieldcrypt/v1 canary", 192)
    numbers = [number for number in range(16) if salts[12 * number : 12 * number + 12] == salt]
    need(len(numbers) == 1, "no salt of a canary")
    return {"number": numbers[0]}


def check_tombstone(vector: Vector) -> Vector:
    unhex(vector, "key_id", "{16}")
    return read_tombstone(unhex(vector, "tombstone"))


def check_claim(vector: Vector) -> Vector:
    claim, tenant = unhex(vector, "claim"), (vector["tenant"] or "").encode()
    key = open_record(unhex(vector, "local_key", "{32}"), claim[:16], claim[16:])
    need(key.purpose == vector["purpose"] and key.tenant == vector["tenant"], "purpose or tenant")
    number = next(number for number, name in PURPOSES.items() if name == key.purpose)
    place = hashlib.sha256(b"fieldcrypt/v1 first key" + bytes([number, len(tenant)]) + tenant).hexdigest()[:32]
    return {"place": place, "key_id": claim[:16].hex(), "data_key": key.data_key.hex()}


def check_choice(vector: Vector) -> Vector:
    now, earliest = vector["now"], vector.get("not_before", 0)
    records = sorted((each["created"], each["key_id"], each["state"]) for each in vector["records"])
    usable = [state == "active" and created >= earliest for created, _, state in records]
    waited = [created + vector["delay"] <= now or created > now + 60 for created, _, _ in records]
    newest = max((place for place, has in enumerate(waited) if has), default=-1)
    places = [newest] if newest >= 0 and usable[newest] else []
    places += [place for place in range(newest + 1, len(records)) if usable[place]]
    if places:
        return {"key_id": records[places[0]][1]}
    return {"created": max(records[-1][0] + 1 if records else now, earliest)}


def check_tag(vector: Vector) -> Vector:
    key = open_record(unhex(vector, "local_key", "{32}"), unhex(vector, "key_id", "{16}"), unhex(vector, "record"))
    need("tenant" not in vector or vector["tenant"] == key.tenant, "tenant of the key")
    plaintext = unhex(vector, "plaintext")
    tag = compute_tag(key, vector["field"], vector.get("path"), plaintext, vector["size"]).hex()
    return {"tag": tag} | ({"text": vector["prefix"] + tag} if "prefix" in vector else {})


def check_normalise(vector: Vector) -> Vector:
    return {"normalised": normalised(vector["normaliser"], vector["text"])}


# Section 12: item seals


def cbor_of(value: Any) -> bytes:
    """CBOR of what sections 12 and 14 need: arrays, texts, byte strings, booleans, integers from 0."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return cbor_start(0, value)
    if isinstance(value, list):
        return cbor_start(4, len(value)) + b"".join(map(cbor_of, value))
    content = value.encode() if isinstance(value, str) else value
    return cbor_start(3 if isinstance(value, str) else 2, len(content)) + content


def cbor_start(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    width = next(width for width in (1, 2, 4, 8) if argument < 256**width)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + argument.to_bytes(width, "big")


def number_text(text: str) -> str:
    number = Decimal(text)
    need(number.is_finite(), "a number")
    digits = f"{number:f}"
    if "." in digits:
        digits = digits.rstrip("0").removesuffix(".")
    return "0" if Decimal(digits) == 0 else digits


def cbor_hex(text: str) -> bytes:
    item = bytes.fromhex(text)
    cbor_item(reader := Reader(item))
    reader.end()
    return item


def seal_value(value: dict[str, Any]) -> list[Any]:
    need(len(value) == 1, "one type")
    ((kind, content),) = value.items()
    simple: dict[str, Callable[[Any], Any]] = {
        "S": str,
        "B": bytes.fromhex,
        "V": cbor_hex,
        "BOOL": bool,
        "NULL": bool,
        "N": number_text,
    }
    if kind in simple:
        return [kind, simple[kind](content)]
    if kind in ("SS", "BS", "NS"):
        return [kind, sorted(simple[kind[0]](member) for member in content)]
    if kind == "L":
        return [kind, [seal_value(member) for member in content]]
    need(kind == "M", "a type of DynamoDB")
    return [kind, [[name, seal_value(content[name])] for name in sorted(content)]]


def check_item_seal(vector: Vector) -> Vector:
    names, item = sorted(vector["over"]), vector["item"]
    covered = [[name, seal_value(item[name])] for name in names if name in item]
    return {"digest": hashlib.sha256(cbor_of([names, covered])).hexdigest()}


KINDS: dict[str, Callable[[Vector], Vector]] = {
    "item-seal": check_item_seal,
    "xaes": check_xaes,
    "context": check_context,
    "path": check_path,
    "plaintext": check_plaintext,
    "record": check_record,
    "tombstone": check_tombstone,
    "claim": check_claim,
    "choice": check_choice,
    "tag": check_tag,
    "term": check_term,
    "normalise": check_normalise,
    "value": check_value,
    "text": check_text,
    "canary": check_canary,
}


def load(path: Path) -> Vector:
    vector: Vector = json.loads(path.read_bytes())
    if vector.get("kind") not in KINDS:
        raise BadVector("unknown kind")
    if vector.get("expect") not in ("success", "failure") or not vector.get("reason"):
        raise BadVector("expect or reason")
    return vector


def problem(vector: Vector) -> str | None:
    """What is wrong with a vector, if anything is."""
    try:
        found = KINDS[vector["kind"]](vector)
    except (Refused, ValueError, InvalidTag) as error:
        return None if vector["expect"] == "failure" else f"refused: {error or type(error).__name__}"
    if vector["expect"] == "failure":
        return f"not refused, though it should be: {vector['reason']}"
    different = [member for member, value in found.items() if member not in vector or vector[member] != value]
    return "".join(f"{member} should be {found[member]!r} " for member in different).rstrip() or None


def main(directory: Path) -> int:
    counts: Counter[str] = Counter()
    problems = 0
    for path in sorted(directory.glob("*.json")):
        try:
            vector = load(path)
            counts[vector["kind"]] += 1
            complaint = problem(vector)
        except (BadVector, ValueError) as error:
            complaint = f"bad vector: {error}"
        if complaint is not None:
            problems += 1
            print(f"{path.name}: {complaint}")
    if problems or not counts:
        print(f"{problems} vectors do not agree" if problems else f"no vectors in {directory}")
        return 1
    print(f"{counts.total()} vectors agree: " + ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
