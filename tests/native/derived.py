"""All that is derived from a data key, as it may stand in a process's memory: computed apart from the core."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

__all__ = ["compressed", "derived_from", "expanded", "inverse_mixed", "selected_by"]

Secrets = dict[str, bytes]

_LABELS = {
    "encryption": b"fieldcrypt/v1 encryption",
    "record": b"fieldcrypt/v1 record",
    "index": b"fieldcrypt/v1 blind index",
}


def derived_from(data_key: bytes) -> Secrets:
    """The keys that are derived from a data key, and what is made of them before there is a message."""
    extracted = hmac.digest(bytes(32), data_key, "sha256")
    found = {"extracted key": extracted}
    for name, label in _LABELS.items():
        key = hmac.digest(extracted, label + b"\x01", "sha256")
        found[f"{name} key"] = key
        if name == "encryption":
            found.update(_of_aes(f"{name} key", key), **_of_cmac(f"{name} key", key))
        else:
            found.update(_of_hmac(f"{name} key", key))
    return found


def selected_by(salt: bytes, data_key: bytes) -> Secrets:
    """The key of AES-256-GCM that a salt selects, and what is made of it."""
    key = derived_from(data_key)["encryption key"]
    _, first, _ = _cmac_keys(key)
    blocks = (bytes([0, counter, ord("X"), 0]) + salt for counter in (1, 2))
    subkey = b"".join(_block(key, _xor(block, first)) for block in blocks)
    name = f"subkey of {salt.hex()}"
    hashing = _block(subkey, bytes(16))
    return {
        name: subkey,
        f"{name}, of GHASH": hashing,
        f"{name}, of GHASH, reversed": hashing[::-1],
        **_of_aes(name, subkey),
    }


def _of_aes(name: str, key: bytes) -> Secrets:
    """The round keys of both directions, without the first two, which are the key itself."""
    rounds = expanded(key)
    found = {f"{name}, round {number}": rounds[number] for number in range(2, 15)}
    found |= {f"{name}, inverse round {number}": inverse_mixed(rounds[number]) for number in range(1, 14)}
    return found


def _of_cmac(name: str, key: bytes) -> Secrets:
    zero, first, second = _cmac_keys(key)
    return {f"{name}, of CMAC 0": zero, f"{name}, of CMAC 1": first, f"{name}, of CMAC 2": second}


def _of_hmac(name: str, key: bytes) -> Secrets:
    """The padded keys, and the states of SHA-256 after them, in both orders of bytes."""
    found = {}
    for side, pad in (("inner", 0x36), ("outer", 0x5C)):
        padded = bytes(byte ^ pad for byte in key.ljust(64, b"\0"))
        state = compressed(padded)
        found[f"{name}, {side} pad"] = padded[:32]
        found[f"{name}, {side} state"] = struct.pack("<8I", *state)
        found[f"{name}, {side} state, big-endian"] = struct.pack(">8I", *state)
    return found


def _cmac_keys(key: bytes) -> tuple[bytes, bytes, bytes]:
    zero = _block(key, bytes(16))
    return zero, _doubled(zero), _doubled(_doubled(zero))


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block) << 1
    return ((number ^ (0x87 if number >> 128 else 0)) & (2**128 - 1)).to_bytes(16)


def _block(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 (one block)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


# AES (FIPS 197)


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substituted(byte: int) -> int:
    inverse = next((other for other in range(256) if _times(byte, other) == 1), 0)
    turned = (inverse << shift | inverse >> 8 - shift for shift in range(5))
    result = 0x63
    for each in turned:
        result ^= each & 0xFF
    return result


_S_BOX = bytes(map(_substituted, range(256)))


def expanded(key: bytes) -> list[bytes]:
    """The 15 round keys of AES-256."""
    words = [key[at : at + 4] for at in range(0, 32, 4)]
    constant = 1
    for at in range(8, 60):
        word = words[-1]
        if at % 8 == 0:
            word = _xor((word[1:] + word[:1]).translate(_S_BOX), bytes([constant, 0, 0, 0]))
            constant = _times(constant, 2)
        elif at % 8 == 4:
            word = word.translate(_S_BOX)
        words.append(_xor(words[at - 8], word))
    return [b"".join(words[at : at + 4]) for at in range(0, 60, 4)]


def inverse_mixed(block: bytes) -> bytes:
    """A round key as decrypting uses it."""

    def column(four: bytes) -> Iterator[int]:
        for row in range(4):
            mixed = 0
            for factor, byte in zip((14, 11, 13, 9), four[row:] + four[:row], strict=True):
                mixed ^= _times(byte, factor)
            yield mixed

    return bytes(byte for at in range(0, 16, 4) for byte in column(block[at : at + 4]))


# SHA-256 (FIPS 180-4)


def _root(number: int, power: int) -> int:
    """The first 32 bits of the fraction of a root."""
    low, high = 0, number << 32
    scaled = number << 32 * power
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**power <= scaled else (low, middle - 1)
    return low & 0xFFFFFFFF


_PRIMES = [number for number in range(2, 312) if all(number % other for other in range(2, number))]
_START = [_root(prime, 2) for prime in _PRIMES[:8]]
_CONSTANTS = [_root(prime, 3) for prime in _PRIMES]


def _right(word: int, count: int) -> int:
    return (word >> count | word << 32 - count) & 0xFFFFFFFF


def compressed(block: bytes) -> list[int]:
    """The state of SHA-256 after its first block."""
    words = list(struct.unpack(">16I", block))
    for at in range(16, 64):
        before, last = words[at - 15], words[at - 2]
        first = _right(before, 7) ^ _right(before, 18) ^ before >> 3
        second = _right(last, 17) ^ _right(last, 19) ^ last >> 10
        words.append(words[at - 16] + first + words[at - 7] + second & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = _START
    for constant, word in zip(_CONSTANTS, words, strict=True):
        one = h + (_right(e, 6) ^ _right(e, 11) ^ _right(e, 25)) + (e & f ^ ~e & g) + constant + word
        two = (_right(a, 2) ^ _right(a, 13) ^ _right(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = one + two & 0xFFFFFFFF, a, b, c, d + one & 0xFFFFFFFF, e, f, g
    return [start + end & 0xFFFFFFFF for start, end in zip(_START, (a, b, c, d, e, f, g, h), strict=True)]
