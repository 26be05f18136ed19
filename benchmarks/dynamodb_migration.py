"""A DynamoDB table of plaintext is encrypted while others write to it and the job is killed again and again.

    python -m benchmarks.dynamodb_migration [--items N] [--kills N] [--workers N] [--batch N] [--json FILE]

Two processes change random items of a table in ministack throughout, and the backfill's process is killed with SIGKILL
at random moments and started again. Then every item is read and compared with what was last acknowledged, and all items
are searched for plaintext as DynamoDB has them. One bit is flipped, two values are exchanged, and one is made plaintext
again, which `verify` has to find. Ends with exit code 1 if what is promised does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from benchmarks.dynamodb_migration_workload import ATTRIBUTES, CLINICS, MARK, Place, original
from benchmarks.migration_journal import read_journals
from tests.support.ministack import Ministack

ROOT = Path(__file__).parent.parent
MEMORY = 300  # MB that a backfill may take
_BATCH_WRITE = 25

_wire = TypeSerializer().serialize


@dataclass
class Outcome:
    """What was measured."""

    items: int
    kills: int
    seconds: float = 0.0
    changes: int = 0  # that others made meanwhile
    changed_items: int = 0
    kept: int = 0  # items that were not written, for they had been changed since they were read
    again: int = 0  # times that an item was sent once more
    megabytes: float = 0.0  # the most that a backfill took
    verify_items_a_second: float = 0.0
    wrong: list[str] = field(default_factory=list)


def run(url: str, outcome: Outcome, workers: int, batch: int, directory: Path, seed: int) -> None:
    """Fill a table, have it encrypted under these conditions, and look at what has become of it."""
    key = os.urandom(32).hex()
    place = Place(url, key)
    _fill(place, outcome.items)
    attempts = directory / "attempts"
    journals = [directory / f"writer-{number}" for number in range(2)]
    chance = random.Random(seed)
    began = time.monotonic()
    with ExitStack() as stack:
        for number, journal in enumerate(journals):
            stack.enter_context(_process("write", url, key, str(number), str(outcome.items), str(journal)))
        _until_there(journals)
        common = (url, key, str(workers), str(batch), str(attempts))
        share = 1 / (outcome.kills + 1)
        for number in range(outcome.kills):
            with _process("backfill", *common) as process:
                target = share * (number + chance.uniform(0.2, 0.9)) * outcome.items
                _until_sent(attempts, target, process, outcome)
        with _process("backfill", *common) as process:
            while process.poll() is None:
                _watch(process, outcome)
                time.sleep(0.05)
            if process.returncode:
                outcome.wrong.append(f"the last backfill ended with {process.returncode}")
        outcome.seconds = time.monotonic() - began
    _check_attempts(attempts, outcome, workers)
    _check_items(place, journals, outcome)
    _check_that_damage_is_found(place, outcome)


def _fill(place: Place, items: int) -> None:
    place.keys.create_table()
    client = place.client()
    client.create_table(
        TableName="patients",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    place.migration().checkpoints.create_table()
    for first in range(0, items, _BATCH_WRITE):
        puts = [{"PutRequest": {"Item": _item(n)}} for n in range(first, min(first + _BATCH_WRITE, items))]
        if client.batch_write_item(RequestItems={"patients": puts})["UnprocessedItems"]:
            raise RuntimeError("DynamoDB did not take all items")


def _item(number: int) -> dict[str, Any]:
    values = {name: original(number, name) for name in ATTRIBUTES}
    item = {"id": number, "clinic": f"clinic-{number % CLINICS}", "ward": number % 7, **values}
    return {name: _wire(value) for name, value in item.items()}


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the workload, killed on leaving."""
    command = [sys.executable, "-m", "benchmarks.dynamodb_migration_workload", *arguments]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 (our own)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _until_there(journals: Sequence[Path]) -> None:
    end = time.monotonic() + 60
    while not all(journal.exists() and journal.stat().st_size for journal in journals):
        if time.monotonic() > end:
            raise RuntimeError("the writers do not write")
        time.sleep(0.01)


def _until_sent(attempts: Path, target: float, process: subprocess.Popen[bytes], outcome: Outcome) -> None:
    """Wait until a backfill has sent so many items; it is killed then, wherever it is."""
    while process.poll() is None and _lines(attempts, outcome.items) < target:
        _watch(process, outcome)
        time.sleep(0.01)
    if process.poll() is not None:
        outcome.wrong.append("a backfill ended before it was killed")


def _lines(attempts: Path, items: int) -> float:
    """Say about how many items were sent: without reading all of it each time."""
    size = len("sent \n") + len(str(items)) - 0.11  # of a line, in the middle
    return attempts.stat().st_size / size if attempts.exists() else 0


def _watch(process: subprocess.Popen[bytes], outcome: Outcome) -> None:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            outcome.megabytes = max(outcome.megabytes, int(line.split()[1]) / 1024)


def _check_attempts(attempts: Path, outcome: Outcome, workers: int) -> None:
    """Each item is sent once, and once more for each kill that fell while it was being sent, and if it had changed."""
    lines = [line.split() for line in attempts.read_text(encoding="ascii").splitlines()]
    sent = Counter(item for what, item in lines if what == "sent")
    kept = Counter(item for what, item in lines if what == "kept")
    outcome.kept = kept.total()
    sent.subtract(kept)
    outcome.again = sum(times - 1 for times in sent.values() if times > 1)
    if outcome.again > outcome.kills * workers:
        outcome.wrong.append(f"{outcome.again} times an item was sent again, more than were at work at the kills")
    if max(sent.values()) > 1 + outcome.kills:
        outcome.wrong.append(f"an item was sent {max(sent.values())} times, with {outcome.kills} kills")


def _check_items(place: Place, journals: Sequence[Path], outcome: Outcome) -> None:
    """Every item can be read, and has what was last acknowledged; none has plaintext, as DynamoDB has it."""
    acknowledged, begun = read_journals(journals)
    outcome.changes = sum(len(values) for values in acknowledged.values())
    outcome.changed_items = len({item for item, _ in acknowledged})
    table, seen = place.table(), set()
    for page in _pages(table.scan):
        for item in page:
            number = int(item["id"])
            seen.add(number)
            if item["ward"] != number % 7 or "email_tag" in item:
                outcome.wrong.append(f"{number} is not as it was")
            for name in ATTRIBUTES:
                value = item[name][0] if name == "notes" else item[name]
                spot = str(number), name
                first = original(number, name)
                may_be = [acknowledged[spot][-1]] if spot in acknowledged else [first[0] if name == "notes" else first]
                if value not in may_be + begun.get(spot, []):  # a write whose answer the writer did not live to see
                    outcome.wrong.append(f"{spot} has {value!r} in place of {may_be[-1]!r}")
    if seen != set(range(outcome.items)):
        outcome.wrong.append(f"there are {len(seen)} items in place of {outcome.items}")
    if "plaintext_read" in place.encryptor.stats().events:
        outcome.wrong.append("values are read as plaintext")
    client = place.client()
    for page in _pages(lambda **how: client.scan(TableName="patients", **how)):
        if MARK in repr(page):
            outcome.wrong.append("items have plaintext")


def _pages(scan: Any) -> Iterator[list[Any]]:
    more: dict[str, Any] = {}
    while True:
        response = scan(ConsistentRead=True, **more)
        yield response["Items"]
        if "LastEvaluatedKey" not in response:
            return
        more = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def _check_that_damage_is_found(place: Place, outcome: Outcome) -> None:
    """A flipped bit, a swapped pair and an item of plaintext are found among all items, and named."""
    migration = place.migration()
    whole = migration.verify()
    if whole.wrong or whole.rows != outcome.items:
        outcome.wrong.append(f"verify: {whole}")
    flipped, one, other, plain = (outcome.items * share // 100 for share in (7, 23, 61, 88))
    client = place.client()

    def stored(number: int, name: str) -> Any:
        return client.get_item(TableName="patients", Key={"id": {"N": str(number)}})["Item"][name]

    def put(number: int, name: str, value: Any) -> None:
        client.update_item(
            TableName="patients",
            Key={"id": {"N": str(number)}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": value},
        )

    data = bytearray(stored(flipped, "ssn")["B"])
    data[60] ^= 1
    put(flipped, "ssn", {"B": bytes(data)})
    pair = stored(one, "name"), stored(other, "name")
    put(one, "name", pair[1])
    put(other, "name", pair[0])
    put(plain, "notes", {"L": [{"S": f"{MARK}planted"}]})
    began = time.perf_counter()
    report = migration.verify()
    outcome.verify_items_a_second = report.rows / (time.perf_counter() - began)
    expected = {
        (flipped,): "ssn does not decrypt",
        (one,): "name does not decrypt",
        (other,): "name does not decrypt",
        (plain,): "notes is plaintext",
    }
    if dict(report.reasons) != expected:
        outcome.wrong.append(f"verify names {dict(report.reasons)} and not {expected}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    outcome = Outcome(options.items, options.kills)
    with Ministack() as server, tempfile.TemporaryDirectory() as directory:
        run(server.url, outcome, options.workers, options.batch, Path(directory), options.seed)
    if outcome.megabytes > MEMORY:
        outcome.wrong.append(f"a backfill took {outcome.megabytes:.0f} MB")
    if not outcome.changes:
        outcome.wrong.append("nobody wrote meanwhile")
    print(
        f"{outcome.items:,} items of {len(ATTRIBUTES)} protected attributes, {outcome.kills} times killed: "
        f"{outcome.seconds:.0f} s\n"
        f"{outcome.changes:,} changes of {outcome.changed_items:,} items by two writers meanwhile, none of them lost\n"
        f"{outcome.kept:,} items had been changed since they were read, and were read once more\n"
        f"{outcome.again:,} times an item was sent once more, because of the kills\n"
        f"{outcome.megabytes:.0f} MB at the most\n"
        f"{outcome.verify_items_a_second:,.0f} items a second verified; four damaged items found among them"
    )
    for wrong in outcome.wrong[:20]:
        print(f"WRONG: {wrong}")
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(outcome), indent=2))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
