"""Values: by both backends, beside the bare cipher, and beside the fastest of the other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from benchmarks import field_workload as workload
from benchmarks import peers
from benchmarks.compare import VERBS, Line, Work, compare, microseconds
from benchmarks.native.row import NATIVE, PURE, Row
from benchmarks.peers.ours import Fieldcrypt
from benchmarks.peers.peer import Cipher, Peer
from benchmarks.peers_bench import KIB, MIB, RECORD, TEXT, work_of
from fieldcrypt import Encryptor

__all__ = ["beside_cipher", "beside_peers", "five_at_once"]

FLOOR = "floor"

# What every attribute of a decorated model is bound to. A row is named in Python by both backends, once per record.
BINDINGS = {
    "bound to a row": "field, tenant and row",
    "bound to a row at hand": "field, tenant and a row at hand",
}

Encryptors = Mapping[str, Encryptor]


def beside_cipher(encryptors: Encryptors, seconds: float) -> Iterator[Row]:
    """A text of 64 bytes, and the same bound to its row: x floor, which is the bare cipher and its random bytes."""
    text = "x" * 64
    fields = {name: workload.round_trip(keys.field("benchmark.text", str), text) for name, keys in encryptors.items()}
    lines = compare({FLOOR: workload.floor(text.encode()), **fields}, FLOOR, seconds)
    goals = {"encrypt": {PURE: (1.35,), NATIVE: (0.8,)}, "decrypt": {PURE: (1.9,), NATIVE: (0.6,)}}
    for verb in VERBS:
        yield _row(f"{verb} 64 B", lines, (verb,), goals[verb])
    works = {name: workload.bindings(keys) for name, keys in encryptors.items()}
    for title, binding in BINDINGS.items():
        bound = {name: work[binding] for name, work in works.items()}
        lines = compare({FLOOR: workload.floor(text.encode()), **bound}, FLOOR, seconds)
        yield _row(f"{title}, encrypt / decrypt", lines, VERBS, {PURE: (1.8, 2.6), NATIVE: (1.0, 0.8)})


def five_at_once(encryptors: Encryptors, seconds: float) -> dict[str, Line]:
    """Five texts, bound to tenant and row, at once, beside five bare ciphers; by backend."""
    works = {name: workload.records(keys) for name, keys in encryptors.items()}
    of_five = {name: work["five fields at once"] for name, work in works.items()}
    lines = compare({FLOOR: works[PURE][FLOOR], **of_five}, FLOOR, seconds)
    return {name: lines[name] for name in encryptors}


def _row(work: str, lines: Mapping[str, Line], verbs: tuple[str, ...], goals: Mapping[str, tuple[float, ...]]) -> Row:
    plain = " / ".join(microseconds(lines[FLOOR].results[verb].median) for verb in verbs)
    found = {name: tuple(line.ratio(verb) for verb in verbs) for name, line in lines.items() if name != FLOOR}
    return Row(work, f"floor, {plain} µs", verbs, found, goals)


def beside_peers(encryptors: Encryptors, seconds: float) -> tuple[list[Row], dict[str, str]]:
    """How many times as long as fieldcrypt others take, for both verbs, and the reasons why some could not be asked."""
    found, missing = peers.load(("asherah", "tink"))
    ours = {name: Fieldcrypt(name, keys) for name, keys in encryptors.items()}
    names = list(RECORD)
    fast = [peer for peer in found if peer.name == "tink"]
    asked = (
        ("five fields at once", found, lambda peer: peer.record(names), RECORD, {PURE: 1.05, NATIVE: 2.0}),
        ("64 B one by one", found, lambda peer: peer.text("ssn"), TEXT, {NATIVE: 1.5}),
        ("1 KiB", fast, lambda peer: peer.data("scan"), KIB, {NATIVE: 1.1}),
        ("1 MiB", fast, lambda peer: peer.data("scan"), MIB, {NATIVE: 1.0}),
    )
    rows = [_beside(*task, ours=ours, seconds=seconds) for task in asked if task[1]]
    return rows, missing


def _beside(
    work: str,
    others: list[Peer],
    cipher_of: Callable[[Peer], Cipher[object]],
    value: object,
    goals: Mapping[str, float],
    *,
    ours: Mapping[str, Fieldcrypt],
    seconds: float,
) -> Row:
    works = {name: _work(cipher_of(peer), value) for name, peer in ours.items()}
    works |= {peer.name: _work(cipher_of(peer), value) for peer in others}
    lines = compare(works, PURE, seconds)
    asked = [(peer.name, verb) for peer in others for verb in VERBS]
    theirs = [lines[name].results[verb] for name, verb in asked]
    found = {
        mine: tuple(their.ratio(lines[mine].results[verb]) for their, (_, verb) in zip(theirs, asked, strict=True))
        for mine in ours
    }
    return Row(
        f"{work}: {', '.join(peer.name for peer in others)} take{'s' if len(others) == 1 else ''}",
        " / ".join(microseconds(result.median) for result in theirs) + " µs",
        tuple(map(", ".join, asked)),
        found,
        {name: (goal,) * len(theirs) for name, goal in goals.items()},
        more_is_better=True,
    )


def _work(cipher: Cipher[object], value: object) -> Work:
    stored = cipher.encrypt(value)
    if cipher.decrypt(stored) != value:
        raise AssertionError("a value did not come back")
    return work_of(cipher, value, stored)
