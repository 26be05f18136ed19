"""`fieldcrypt keys import`: the counterpart of `keys export`, also for files that someone has edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import Encryptor, FileKeyStore, KeyPolicy, KeyRecord, KeyShreddedError, LocalKeyProvider, Tombstone
from fieldcrypt.cli.keys.exporting import facts_of
from fieldcrypt.cli.keys.importing import entry_of
from fieldcrypt.keys.record.record import KeyState, Purpose
from tests.cli.application import SSN
from tests.support.commands import Run, complaint, stdout
from tests.support.doubles import make_record

Lines = list[dict[str, Any]]


@pytest.fixture
def exported(run: Run, application: Any) -> Lines:
    """What an export of the data keys of a and b has; then the key store is lost, and there is an empty one."""
    stdout(run("keys", "export", "--output", "keys.jsonl"))
    lose()
    return [json.loads(line) for line in Path("keys.jsonl").read_text().splitlines()]


def lose() -> None:
    """Lose the key store, and make an empty one. The programs that use it are started again."""
    Path("keys.sqlite").unlink()
    FileKeyStore.create("keys.sqlite")


def write(lines: Lines) -> None:
    """Write an export."""
    Path("keys.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def restart(application: Any) -> Callable[[], Encryptor]:
    """Makes an Encryptor like the application's, without its live keys."""
    return lambda: Encryptor(application.old, FileKeyStore("keys.sqlite"))


@pytest.fixture
def restored(run: Run, application: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs the command as a process of its own would, and returns its JSON and exit code."""

    def restored(*options: str) -> dict[str, Any]:
        application.fresh = Encryptor(application.old, FileKeyStore("keys.sqlite"))
        result = run("keys", "import", "keys.jsonl", "--encryptor", "application:fresh", "--json", *options)
        return {**json.loads(result.stdout), "code": result.exit_code}

    return restored


def line_of(entry: Any) -> dict[str, Any]:
    """What an export says of an entry, as someone who forges one writes it."""
    return facts_of(entry)


class TestDrill:
    def test_a_lost_key_store(self, run: Run, application: Any, exported: Lines, restored: Any, restart: Any) -> None:
        """Every value opens again, and doctor finds nothing wrong."""
        assert restored()["added"] == 2
        ssn = restart().field("patients.ssn", str)
        assert [ssn.decrypt(application.values[tenant], tenant=tenant) for tenant in ("a", "b")] == [SSN, SSN]
        stdout(run("doctor", "--encryptor", "application:fresh"))

    def test_it_can_be_repeated(self, exported: Lines, restored: Any) -> None:
        """What is there is let be."""
        restored()
        again = restored()
        assert (again["added"], again["present"], again["code"]) == (0, 2, 0)

    def test_a_dry_run_changes_nothing(self, exported: Lines, restored: Any) -> None:
        """And finds what would fail."""
        write([exported[0], {**exported[1], "record": exported[1]["record"][:-2] + "00"}])
        before = Path("keys.sqlite").read_bytes()
        found = restored("--dry-run")
        assert (found["added"], len(found["failures"]), found["code"]) == (1, 1, 1)
        assert Path("keys.sqlite").read_bytes() == before

    def test_one_tenant(self, exported: Lines, restored: Any, restart: Any) -> None:
        """The others are let be."""
        assert restored("--tenant", "a")["added"] == 1
        assert [entry.tenant for _, entry in restart().data_keys.entries()] == ["a"]

    def test_for_people(self, run: Run, application: Any, exported: Lines) -> None:
        """It says what it did in a line."""
        application.fresh = Encryptor(application.old, FileKeyStore("keys.sqlite"))
        command = ["keys", "import", "keys.jsonl", "--encryptor", "application:fresh"]
        assert stdout(run(*command, "--dry-run")).startswith("2 data keys to be added; 0 were there; 0 left out")
        assert stdout(run(*command)).startswith("2 data keys added; 0 were there; 0 left out")

    def test_a_file_that_is_not_there(self, run: Run, application: Any) -> None:
        """The command was called wrongly."""
        assert "absent.jsonl cannot be read" in complaint(run("keys", "import", "absent.jsonl"), 2)

    def test_the_state_comes_back(self, application: Any, restored: Any, restart: Any) -> None:
        """A retired data key does not encrypt after a restore either."""
        stored = application.encryptor.store
        (record,) = stored.list("a")
        write([line_of(record._replace(state=KeyState.RETIRED))])
        lose()
        assert restored()["added"] == 1
        assert [entry.state for _, entry in restart().data_keys.entries()] == [KeyState.RETIRED]

    @pytest.mark.parametrize("older_first", [True, False])
    def test_several_exports_in_one_file(
        self, application: Any, restored: Any, restart: Any, older_first: bool
    ) -> None:
        """A data key that was retired between them is retired."""
        (record,) = application.encryptor.store.list("a")
        lines = [line_of(record), line_of(record._replace(state=KeyState.RETIRED))]
        write(lines if older_first else lines[::-1])
        lose()
        assert (found := restored())["added"] == found["present"] == 1
        assert [entry.state for _, entry in restart().data_keys.entries()] == [KeyState.RETIRED]


class TestShredding:
    def test_an_old_backup_brings_no_shredded_key_back(self, run: Run, application: Any, restored: Any) -> None:
        """Its tombstone is in the store."""
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        application.encryptor.data_keys.shred("a", "ann")
        found = restored()
        assert (found["added"], found["shredded"], found["present"], found["code"]) == (0, 1, 1, 0)
        with pytest.raises(KeyShreddedError):
            application.fresh.field("patients.ssn", str).decrypt(application.values["a"], tenant="a")

    def test_nor_another_key_of_a_shredded_tenant(self, run: Run, application: Any, restored: Any) -> None:
        """One whose own tombstone is gone: the tenant has others."""
        application.encryptor.data_keys.rotate("a")
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        lines = [json.loads(line) for line in Path("keys.jsonl").read_text().splitlines()]
        mine = [line for line in lines if line["tenant"] == "a"]
        assert len(mine) == 2
        write(mine[:1])
        lose()
        restored()
        application.fresh.data_keys.shred("a", "ann")
        write(mine)
        found = restored()
        assert (found["added"], found["shredded"]) == (0, 2)

    def test_tombstones_come_back(self, run: Run, application: Any, restored: Any) -> None:
        """Values of a shredded tenant are known to be lost on purpose, after a restore too."""
        application.encryptor.data_keys.shred("a", "ann")
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        lose()
        assert restored()["added"] == 2
        with pytest.raises(KeyShreddedError, match="ann"):
            application.fresh.field("patients.ssn", str).decrypt(application.values["a"], tenant="a")


class TestAttacks:
    def test_a_forged_record(self, application: Any, exported: Lines, restored: Any) -> None:
        """Whose data key is under a key of the forger."""
        forged = line_of(make_record(LocalKeyProvider.generate(), "a"))
        write([*exported, forged])
        found = restored()
        assert (found["added"], found["code"]) == (2, 1)
        assert list(found["failures"]) == [forged["key_id"]]

    @pytest.mark.parametrize("change", ["tenant", "created", "purpose", "wrap"])
    def test_a_record_that_was_edited(self, application: Any, exported: Lines, restored: Any, change: str) -> None:
        """With copies that fit: to be another tenant's, younger, or of another use."""
        (record,) = [entry_of(line) for line in exported if line["tenant"] == "a"]
        assert isinstance(record, KeyRecord)
        changed = {
            "tenant": record._replace(tenant="b"),
            "created": record._replace(created=record.created + 1000),
            "purpose": record._replace(purpose=Purpose.BLIND_INDEX),
            "wrap": record._replace(wraps=(record.wraps[0]._replace(data=bytes(len(record.wraps[0].data))),)),
        }[change]
        write([line_of(changed)])
        found = restored()
        assert (found["added"], len(found["failures"]), found["code"]) == (0, 1, 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"tenant": "b"},
            {"created": "2020-01-01T00:00:00Z"},
            {"purpose": "blind-index"},
            {"state": "shredded"},
            {"key_id": "00"},
            {"record": "x"},
            {"more": 1},
        ],
        ids=str,
    )
    def test_a_line_that_was_edited(self, exported: Lines, restored: Any, change: dict[str, Any]) -> None:
        """Is named by its number, and the others are added."""
        mine = next(line for line in exported if line["tenant"] == "a")
        write([{**mine, **change}, next(line for line in exported if line["tenant"] == "b")])
        found = restored()
        assert (found["added"], list(found["unreadable"]), found["code"]) == (1, ["line 1"], 1)

    @pytest.mark.parametrize(
        "text", ["", "[]", "7", "{}", "{", '"x"', "null", '{"key_id": 7}', "[" * 100_000], ids=lambda text: text[:20]
    )
    def test_what_is_no_line_at_all(self, application: Any, restored: Any, text: str) -> None:
        """Likewise."""
        Path("keys.jsonl").write_text(f"{text}\n")
        found = restored()
        assert (found["added"], list(found["unreadable"])) == (0, ["line 1"])

    @pytest.mark.parametrize("store", ["with the keys", "empty"])
    def test_a_forged_tombstone(self, application: Any, run: Run, restored: Any, store: str) -> None:
        """It shreds nobody: neither one whose data keys are here, nor one whose data keys are in the file."""
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        lines = [json.loads(line) for line in Path("keys.jsonl").read_text().splitlines()]
        stone = Tombstone(bytes(16), Purpose.ENCRYPTION, 1_800_000_000, "a", 1_800_000_001, "mallory", 1)
        write([line_of(stone), *lines])
        if store == "empty":
            lose()
        found = restored()
        assert list(found["failures"]) == [stone.key_id.hex()]
        assert "mallory" in found["failures"][stone.key_id.hex()]
        assert found["code"] == 1
        kept = [entry for _, entry in application.fresh.data_keys.entries()]
        assert not any(isinstance(entry, Tombstone) for entry in kept)

    def test_a_forged_tombstone_in_the_place_of_a_data_key(self, exported: Lines, restored: Any) -> None:
        """Of a tenant that nobody has heard of: it does not keep another one's data key from coming back."""
        key_id = exported[0]["key_id"]
        stone = Tombstone(bytes.fromhex(key_id), Purpose.ENCRYPTION, 1_800_000_000, "nobody", 1_800_000_001, "eve", 1)
        write([line_of(stone), *exported])
        found = restored()
        assert (found["added"], found["shredded"], list(found["failures"]), found["code"]) == (2, 0, [key_id], 1)

    def test_a_forged_tombstone_of_no_tenant(self, application: Any, restored: Any) -> None:
        """Whose keys cannot be shredded."""
        write([line_of(Tombstone(bytes(16), Purpose.ENCRYPTION, 1_800_000_000, None, 1_800_000_001, "mallory", 1))])
        assert (found := restored())["added"] == 0
        assert "forged" in found["failures"][bytes(16).hex()]

    def test_what_is_here_is_not_overwritten(self, run: Run, application: Any, restored: Any) -> None:
        """By an older record of the same data key, from before it was rewrapped."""
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        application.encryptor.data_keys.rewrap(application.new)
        before = {record.to_bytes() for tenant in ("a", "b") for record in application.encryptor.store.list(tenant)}
        assert restored()["present"] == 2
        store = FileKeyStore("keys.sqlite")
        assert {record.to_bytes() for tenant in ("a", "b") for record in store.list(tenant)} == before

    def test_a_backup_from_before_a_leak(self, application: Any, exported: Lines, restored: Any) -> None:
        """Old keys are there to read, and under the policy's `not_before` nothing more is encrypted under them."""
        restored()
        moment = datetime.fromisoformat(max(line["created"] for line in exported))
        policy = KeyPolicy(not_before=datetime.fromtimestamp(moment.timestamp() + 1, UTC))
        encryptor = Encryptor(application.old, FileKeyStore("keys.sqlite"), policy)
        ssn, old = encryptor.field("patients.ssn", str), application.values["a"]
        assert ssn.decrypt(old, tenant="a") == SSN
        assert ssn.encrypt(SSN, tenant="a")[1:17] != old[1:17]
