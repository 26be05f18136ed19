"""`fieldcrypt keys`, as its users call it: a module of theirs and a real key store."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import Encryptor, FileKeyStore, KeyPolicy, KeyRecord, _system
from fieldcrypt.cli import output
from tests.cli.application import SSN, corrupt
from tests.support.commands import Run, complaint, stdout


class TestKeys:
    def test_list_says_what_each_key_does(self, run: Run, application: Any) -> None:
        """For scripts: whose it is, what it is for, and under which keys it is wrapped."""
        rows = json.loads(stdout(run("keys", "list", "--json")))
        assert [(row["tenant"], row["use"], row["missing"], row["foreign"]) for row in rows] == [
            ("a", "encrypts", [], []),
            ("b", "encrypts", [], []),
        ]
        assert {row["key_id"] for row in rows} == {value[1:17].hex() for value in application.values.values()}

    def test_list_for_people(self, run: Run, application: Any) -> None:
        """A table with a line for each key, of one tenant if that is asked for."""
        table = stdout(run("keys", "list", "--tenant", "a"))
        assert application.values["a"][1:17].hex() in table
        assert application.values["b"][1:17].hex() not in table

    def test_list_on_a_narrow_terminal(self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Key ids and names of wrapping keys are not broken, and all else is in 80 columns."""
        monkeypatch.setattr(output, "_WIDTH", 80)
        lines = stdout(run("keys", "list", "--tenant", "a")).splitlines()
        assert lines[0] == application.values["a"][1:17].hex()
        assert re.fullmatch(r"  tenant a; purpose encryption; created 20\S+Z; use encrypts", lines[1])
        assert lines[2:] == ["  wraps 1", "1 data key"]
        (name,) = application.moved.provider.wrapping_keys()
        monkeypatch.setattr(application, "encryptor", application.moved)
        assert any(
            f"remarks no wrap under {name}; under local:" in line for line in run("keys", "list").stdout.splitlines()
        )

    def test_a_key_that_waits_is_shown_so(self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a rotation the old key still encrypts."""
        monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + 5)  # of two of the same second, either may
        made = json.loads(stdout(run("keys", "rotate", "--tenant", "a", "--json")))
        uses = {row["key_id"]: row["use"] for row in json.loads(stdout(run("keys", "list", "--json")))}
        assert uses[made[0]["key_id"]] == "waits"
        assert uses[application.values["a"][1:17].hex()] == "encrypts"

    @pytest.mark.parametrize("index", [[], ["--index"]])
    def test_create(self, run: Run, application: Any, index: list[str]) -> None:
        """It says which key it is, and the next time too; a tenant that was shredded gets none."""
        made = json.loads(stdout(run("keys", "create", "--tenant", "new", *index, "--json")))
        told = stdout(run("keys", "create", "--tenant", "new", *index))
        assert told.startswith(f"{made['key_id']} {'tags' if index else 'encrypts'} for tenant 'new', made 20")
        rows = json.loads(stdout(run("keys", "list", "--tenant", "new", "--json")))
        purpose = "blind-index" if index else "encryption"
        assert [(row["key_id"], row["purpose"]) for row in rows] == [(made["key_id"], purpose)]
        stdout(run("keys", "shred", "--tenant", "new", "--yes"))
        assert "was shredded" in complaint(run("keys", "create", "--tenant", "new", *index), 1)

    def test_rotate_all(self, run: Run, application: Any) -> None:
        """Every tenant that has keys gets its next one; a shredded one does not."""
        stdout(run("keys", "shred", "--tenant", "b", "--yes"))
        made = json.loads(stdout(run("keys", "rotate", "--all", "--json")))
        assert [entry["tenant"] for entry in made] == ["a"]
        assert "and encrypts from 20" in stdout(run("keys", "rotate", "--tenant", "a"))

    def test_keys_from_before_a_leak_are_shown_so(
        self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With a policy that says `not_before`, none of them encrypts or tags."""
        application.encryptor.blind_index("a.b").tag("x", tenant="a")
        policy = KeyPolicy(not_before=datetime.now(UTC) + timedelta(hours=1))
        application.encryptor.configure(application.encryptor.provider, application.encryptor.store, policy=policy)
        assert {row["use"] for row in json.loads(stdout(run("keys", "list", "--json")))} == {"too old"}

    def test_index_keys_are_shown_by_what_they_do(
        self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One tags; after a rotation the next waits, takes over, and the old one can be retired."""

        def uses() -> list[str]:
            rows = json.loads(stdout(run("keys", "list", "--tenant", "a", "--json")))
            return [row["use"] for row in rows if row["purpose"] == "blind-index"]

        ahead = 0.0
        monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + ahead)
        application.encryptor.blind_index("patients.email").tag("ann@example.org", tenant="a")
        assert uses() == ["tags"]
        ahead = 1000
        made = json.loads(stdout(run("keys", "rotate", "--index", "--all", "--json")))
        assert [entry["tenant"] for entry in made] == ["a"]
        assert uses() == ["tags", "waits"]
        assert "at the earliest" in complaint(run("keys", "retire", "--tenant", "a", "--yes"), 2)
        ahead = 10_000
        assert uses() == ["searches", "tags"]
        assert "will not be found" in run("keys", "retire", "--tenant", "a", input="n\n").stderr
        assert uses() == ["searches", "tags"]
        assert "1 index key retired" in stdout(run("keys", "retire", "--all", "--yes"))
        assert uses() == ["retired", "tags"]
        table = stdout(run("keys", "list"))
        assert "blind-index" in table
        assert "encryption" in table

    def test_when_to_tag_again(self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rotation says the moment before which the old key cannot be retired."""
        ahead = 0.0
        began = time.time()
        monkeypatch.setattr(_system, "wall_clock", lambda: began + ahead)
        application.encryptor.blind_index("patients.email").tag("ann@example.org", tenant="a")
        told = re.search(r"again from (\S+)Z on", stdout(run("keys", "rotate", "--index", "--tenant", "a")))
        assert told is not None
        when = datetime.fromisoformat(told[1]).replace(tzinfo=UTC)
        assert f"on {when:%Y-%m-%d %H:%M:%S} UTC" in complaint(run("keys", "retire", "--tenant", "a", "--yes"), 2)
        ahead = when.timestamp() + 1 - began
        assert "1 index key retired" in stdout(run("keys", "retire", "--tenant", "a", "--yes"))

    def test_rotating_values_leaves_index_keys_alone(self, run: Run, application: Any) -> None:
        """And tenants that have nothing else."""
        application.encryptor.blind_index("patients.email").tag("ann@example.org", tenant="c")
        made = json.loads(stdout(run("keys", "rotate", "--all", "--json")))
        assert sorted(entry["tenant"] for entry in made) == ["a", "b"]
        assert "no index key of" in complaint(run("keys", "rotate", "--index", "--tenant", "b"), 1)

    @pytest.mark.parametrize("command", [["rotate"], ["list"], ["export"], ["shred", "--yes"]], ids=lambda c: c[0])
    def test_an_unknown_tenant(self, run: Run, application: Any, command: list[str]) -> None:
        """Nothing is made, nothing is changed, and it is said."""
        before = Path("keys.sqlite").read_bytes()
        assert "no data key of" in complaint(run("keys", *command, "--tenant", "typo"), 1)
        assert Path("keys.sqlite").read_bytes() == before

    def test_rewrap_to_what_is_no_key_provider(self, run: Run, application: Any) -> None:
        """The line says what it is, and what it should be."""
        said = complaint(run("keys", "rewrap", "--to", "application:encryptor", "--dry-run"), 2)
        assert "application:encryptor is an Encryptor, and no KeyProvider" in said

    def test_rewrap_to_what_the_program_cannot_read(self, run: Run, application: Any) -> None:
        """It would lock itself out; a chain is to be configured before."""
        result = run("keys", "rewrap", "--encryptor", "application:moved", "--to", "application:old", "--yes")
        assert "KeyProviderChain" in complaint(result, 2)

    def test_a_terminal_takes_no_orders_from_the_key_store(self, run: Run, application: Any) -> None:
        """Tenants, and who shredded them, may have been written by anybody."""
        evil = "x\x1b[2J\x1b]0;pwned\x07"
        value = application.ssn.encrypt(SSN, tenant=evil)
        application.encryptor.data_keys.shred(evil, "y\x1b[31m")
        inspect = ["inspect", value.hex(), "--encryptor", "application:encryptor"]
        for command in (["keys", "list"], ["keys", "show", value[1:17].hex()], inspect, ["doctor"]):
            assert "\x1b" not in run(*command).output

    @pytest.mark.parametrize("command", [["list", "--json"], ["export"]], ids=lambda command: command[0])
    def test_json_is_plain_ascii(self, run: Run, application: Any, command: list[str]) -> None:
        """DEL, a terminal's CSI, text that runs backwards, a line that ends: none gets out of a tenant's name."""
        evil = "\x7f\x9b2J\u202e\u2028é"
        application.ssn.encrypt(SSN, tenant=evil)
        told = stdout(run("keys", *command, "--tenant", evil))
        assert set(told) <= {"\n", *map(chr, range(0x20, 0x7F))}
        facts = json.loads(told)
        assert (facts[0] if isinstance(facts, list) else facts)["tenant"] == evil

    def test_show(self, run: Run, application: Any) -> None:
        """One key with all that is known of it."""
        key_id = application.values["a"][1:17].hex()
        assert json.loads(stdout(run("keys", "show", key_id, "--json")))["tenant"] == "a"
        assert key_id in stdout(run("keys", "show", key_id))

    def test_rewrap_asks(self, run: Run, application: Any) -> None:
        """And names the keys under which everything will be."""
        result = run("keys", "rewrap", "--to", "application:new", input="n\n")
        assert result.exit_code == 1
        assert application.new.wrapping_keys()[0] in result.stderr
        assert json.loads(stdout(run("keys", "list", "--json")))[0]["missing"] == []

    def test_rewrap_moves_all_keys(self, run: Run, application: Any) -> None:
        """Afterwards the new key alone reads the old values, and the values are what they were."""
        assert "2 data keys to be rewrapped" in stdout(run("keys", "rewrap", "--to", "application:new", "--dry-run"))
        report = json.loads(stdout(run("keys", "rewrap", "--to", "application:new", "--yes", "--json")))
        assert (report["changed"], report["failures"], report["stopped"]) == (2, {}, None)
        field = application.moved.field("patients.ssn", str)
        assert [field.decrypt(value) for value in application.values.values()] == [SSN, SSN]

    def test_data_keys_that_may_have_been_planted(self, run: Run, application: Any) -> None:
        """Are rewrapped and repaired by consent alone, and named before and after."""
        keyring = application.encryptor
        keyring.configure(keyring.provider, keyring.store, policy=KeyPolicy(own_keys_only=True))
        planted = sorted(value[1:17].hex() for value in application.values.values())
        for command in (("rewrap", "--to", "application:new", "--dry-run"), ("repair",)):
            refused = run("keys", *command)
            assert refused.exit_code == 2
            assert all(key_id in refused.stderr for key_id in planted)
            assert "accept_foreign_keys" in refused.stderr
            accepted = run("keys", *command, "--accept-foreign-keys")
            assert accepted.exit_code == 0
            named = [line.split()[0] for line in accepted.stderr.splitlines() if "may have been planted" in line]
            assert sorted(named) == planted

    def test_an_index_key_that_the_policy_is_to_name(self, run: Run, application: Any) -> None:
        """Does not tag before, and is listed as such."""

        def uses() -> set[str]:
            return {row["use"] for row in json.loads(stdout(run("keys", "list", "--json")))}

        keyring = application.encryptor
        keyring.configure(keyring.provider, keyring.store, policy=KeyPolicy(own_keys_only=True))
        told = stdout(run("keys", "create", "--tenant", "a", "--index"))
        assert "tags when KeyPolicy(index_keys" in told
        assert uses() == {"not named", "of one process"}
        keyring.configure(keyring.provider, keyring.store, policy=KeyPolicy(index_keys={"a": [told.split()[0]]}))
        assert uses() == {"tags", "encrypts"}
        assert f"{told.split()[0]} tags for" in stdout(run("keys", "create", "--tenant", "a", "--index"))

    def test_repair_adds_what_is_missing(self, run: Run, application: Any) -> None:
        """The old wraps stay where they are."""
        report = json.loads(stdout(run("keys", "repair", "--encryptor", "application:encryptor", "--json")))
        assert report["unchanged"] == 2
        application.encryptor.data_keys.rewrap(application.new)
        assert "2 data keys repaired" in stdout(run("keys", "repair"))
        rows = json.loads(stdout(run("keys", "list", "--json")))
        assert [(row["missing"], len(row["wraps"])) for row in rows] == [([], 2), ([], 2)]

    def test_shred_asks(self, run: Run, application: Any) -> None:
        """No answer is no."""
        result = run("keys", "shred", "--tenant", "a", input="")
        assert result.exit_code == 1
        assert "1 data key of tenant 'a' will be destroyed" in result.stderr
        assert application.ssn.decrypt(application.values["a"]) == SSN

    def test_shred_leaves_a_tombstone(self, run: Run, application: Any) -> None:
        """It says when, by whom and how many."""
        stdout(run("keys", "shred", "--tenant", "a", "--by", "Ann", "--yes"))
        gone = json.loads(stdout(run("keys", "show", application.values["a"][1:17].hex(), "--json")))
        assert (gone["use"], gone["by"], gone["keys_shredded_together"]) == ("shredded", "Ann", 1)
        assert "all were shredded before" in stdout(run("keys", "shred", "--tenant", "a", "--yes"))

    def test_export_is_a_backup(self, run: Run, application: Any, tmp_path: Path) -> None:
        """What it wrote makes a key store that opens the values."""
        stdout(run("keys", "export", "--output", "keys.jsonl"))
        store = FileKeyStore.create(tmp_path / "restored.sqlite")
        for line in (tmp_path / "keys.jsonl").read_text().splitlines():
            facts = json.loads(line)
            store.add(KeyRecord.from_bytes(bytes.fromhex(facts["key_id"]), bytes.fromhex(facts["record"])))
        field = Encryptor(application.old, store).field("patients.ssn", str)
        assert field.decrypt(application.values["a"]) == SSN

    def test_export_overwrites_nothing(self, run: Run, application: Any, tmp_path: Path) -> None:
        """An older backup may be the better one."""
        (tmp_path / "keys.jsonl").write_text("precious")
        assert "keys.jsonl" in complaint(run("keys", "export", "--output", "keys.jsonl"), 2)
        assert (tmp_path / "keys.jsonl").read_text() == "precious"

    def test_export_from_a_store_that_is_down_makes_no_file(self, run: Run, application: Any, tmp_path: Path) -> None:
        """The next attempt would find it in its way."""
        (tmp_path / "keys.sqlite").write_bytes(b"half written")
        complaint(run("keys", "export", "--output", "keys.jsonl"), 1)
        assert not (tmp_path / "keys.jsonl").exists()

    def test_an_unreadable_record_is_listed_as_such(self, run: Run, application: Any) -> None:
        """The others are listed all the same; exit code 1."""
        corrupt(application.values["a"][1:17], b"\x00\x01")
        rows = json.loads(stdout(run("keys", "list", "--json"), 1))
        assert sorted(row["use"] for row in rows) == ["encrypts", "unreadable"]
