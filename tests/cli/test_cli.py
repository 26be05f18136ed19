"""The command line as its users call it: a module of theirs, a real key store, regions over HTTP."""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from typer.testing import CliRunner, Result

from fieldcrypt import Encryptor, FileKeyStore, KeyPolicy, KeyRecord, LocalKeyProvider, Purpose, Tombstone, _system
from fieldcrypt.cli import output
from fieldcrypt.cli.commands import commands
from fieldcrypt.cli.doctor import Verdict
from fieldcrypt.cli.doctor.kms import examine_region
from fieldcrypt.format import text_form
from fieldcrypt.format._text import in_words
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws

HOME, AWAY = "us-east-1", "eu-west-1"
SSN = "078-05-1120"
WHO_MAY = {"who may wrap", "who may unwrap", "who may let others in"}  # which moto's key policy leaves to the account

LOCAL = """
from fieldcrypt import Encryptor, FileKeyStore, KeyProviderChain, LocalKeyProvider

old, new = LocalKeyProvider.from_file("old.key"), LocalKeyProvider.from_file("new.key")
encryptor = Encryptor(KeyProviderChain(old, new), FileKeyStore("keys.sqlite"))
moved = Encryptor(new, FileKeyStore("keys.sqlite"))
without_store = Encryptor(old)
unconfigured = Encryptor()
late = Encryptor()


def start():
    late.configure(old, FileKeyStore("keys.sqlite"))
    return late


def forgetful():
    late.configure(old)


def failing():
    raise LookupError("no settings")


ssn = encryptor.field("patients.ssn", str)
"""

AWS = """
from fieldcrypt import Encryptor, FileKeyStore
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider

encryptor = Encryptor(
    AwsKmsKeyProvider({arn!r}, {regions!r}, endpoint_urls={endpoints!r}), FileKeyStore("keys.sqlite")
)
ssn = encryptor.field("patients.ssn", str)
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FIELDCRYPT_ENCRYPTOR", "FIELDCRYPT_MIGRATIONS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    before = list(sys.path)
    yield lambda *arguments, **more: CliRunner().invoke(commands, arguments, **more)
    sys.path[:] = before
    for name in ("application", "broken", "elsewhere", "late", "vault"):
        sys.modules.pop(name, None)


@pytest.fixture
def application(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of a user with local keys; tenants a and b have a value each."""
    for name in ("old", "new"):
        (tmp_path / f"{name}.key").write_bytes(base64.b64encode(os.urandom(32)))
    (tmp_path / "application.py").write_text(LOCAL)
    FileKeyStore.create(tmp_path / "keys.sqlite")
    (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nencryptor = "application:encryptor"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = importlib.import_module("application")
    module.values = {tenant: module.ssn.encrypt(SSN, tenant=tenant) for tenant in ("a", "b")}
    return module


def stdout(result: Result, code: int = 0) -> str:
    """What a command printed, having ended as it should."""
    assert result.exit_code == code, result.output
    return result.stdout


def complaint(result: Result, code: int) -> str:
    """The one line that a command complained with."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


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
        application.encryptor.configure(application.encryptor.provider, application.encryptor.store, policy)
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
        keyring.configure(keyring.provider, keyring.store, KeyPolicy(own_keys_only=True))
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
        keyring.configure(keyring.provider, keyring.store, KeyPolicy(own_keys_only=True))
        told = stdout(run("keys", "create", "--tenant", "a", "--index"))
        assert "tags when KeyPolicy(index_keys" in told
        assert uses() == {"not named", "of one process"}
        keyring.configure(keyring.provider, keyring.store, KeyPolicy(index_keys={"a": [told.split()[0]]}))
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


def corrupt(key_id: bytes, record: bytes) -> None:
    """Write something else into a record of the key store in this directory."""
    with sqlite3.connect("keys.sqlite") as connection:
        connection.execute("UPDATE data_keys SET record = ? WHERE key_id = ?", (record, key_id))
    connection.close()


class TestInspect:
    @pytest.mark.parametrize(
        "spelling", ["hex", "postgresql", "base64", "urlsafe", "text", "json", "file", "hex in a file"]
    )
    def test_every_spelling(self, run: Run, application: Any, tmp_path: Path, spelling: str) -> None:
        """As databases, logs and scripts print bytes."""
        value = application.values["a"]
        (tmp_path / "raw").write_bytes(value)
        (tmp_path / "text").write_text(value.hex() + "\n")
        argument = {
            "hex": value.hex(),
            "postgresql": "\\x" + value.hex(),
            "base64": base64.b64encode(value).decode(),
            "urlsafe": base64.urlsafe_b64encode(value).decode().rstrip("="),
            "text": text_form.encode(value),
            "json": json.dumps(text_form.encode(value)),
            "file": "raw",
            "hex in a file": "text",
        }[spelling]
        facts = json.loads(stdout(run("inspect", argument, "--json")))
        assert (facts["form"], facts["key_id"]) == ("stored", value[1:17].hex())
        assert facts["plaintext_bytes"] == len(SSN) + 1

    def test_the_key_store_knows_more(self, run: Run, application: Any) -> None:
        """Whose the data key is, for one; if one asks."""
        value = application.values["a"].hex()
        facts = json.loads(stdout(run("inspect", value, "--encryptor", "application:encryptor", "--json")))
        assert facts["tenant"] == "a"

    def test_a_value_is_looked_at_without_running_any_code(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever can put a file into this directory, or one above, could have it do anything."""
        (tmp_path / "broken.py").write_text("raise SystemExit('CODE RAN')")
        (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nencryptor = "broken:encryptor"\n')
        monkeypatch.setenv("FIELDCRYPT_ENCRYPTOR", "broken:encryptor")
        value = Encryptor(LocalKeyProvider.generate()).field("a.b", str).encrypt(SSN)
        before = list(sys.path)
        stdout(run("inspect", value.hex()))
        assert sys.path == before

    def test_a_self_contained_value_needs_no_encryptor(self, run: Run) -> None:
        """It says itself whose it is."""
        value = Encryptor(LocalKeyProvider.generate()).field("a.b", str).encrypt(SSN, tenant="clinic-7")
        facts = stdout(run("inspect", value.hex()))
        assert "self-contained" in facts
        assert "clinic-7" in facts

    def test_the_key_store_knows_that_a_self_contained_value_was_shredded(self, run: Run, application: Any) -> None:
        """By whom, for one; the value itself does not."""
        value = application.without_store.field("a.b", str).encrypt(SSN, tenant="a").hex()
        application.encryptor.data_keys.shred("a", by="ann")
        for arguments, state in ((), "active"), (("--encryptor", "application:encryptor"), "shredded"):
            facts = json.loads(stdout(run("inspect", value, *arguments, "--json")))
            assert (facts["tenant"], facts["key_state"], facts.get("by")) == ("a", state, "ann" if arguments else None)

    def test_plaintext_is_never_shown(self, run: Run, application: Any) -> None:
        """Though this process could decrypt."""
        assert SSN not in run("inspect", application.values["a"].hex()).output

    def test_what_is_no_value(self, run: Run) -> None:
        """One line, without the text, which may be plaintext."""
        assert SSN not in complaint(run("inspect", SSN), 2)


class TestTarget:
    def test_nothing_is_named(self, run: Run) -> None:
        """All three ways to name one are told."""
        result = run("keys", "list")
        assert result.exit_code == 2
        for way in ("--encryptor", "FIELDCRYPT_ENCRYPTOR", "[tool.fieldcrypt]"):
            assert way in result.stderr

    def test_the_environment(self, run: Run, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes before pyproject.toml."""
        monkeypatch.setenv("FIELDCRYPT_ENCRYPTOR", "application:without_store")
        assert "no key store" in complaint(run("keys", "list"), 2)

    def test_a_function_that_configures(self, run: Run, application: Any) -> None:
        """Programs that know their keys at start-up name what they call there."""
        rows = json.loads(stdout(run("keys", "list", "--json", "--encryptor", "application:start")))
        assert [row["tenant"] for row in rows] == ["a", "b"]

    def test_a_function_that_only_configures(self, run: Run, application: Any, tmp_path: Path) -> None:
        """It need not return the Encryptor, if its module knows one and no more."""
        lines = ("from application import late as encryptor, start as begin", "def start(): begin()")
        (tmp_path / "elsewhere.py").write_text("\n".join(lines))
        rows = json.loads(stdout(run("keys", "list", "--json", "--encryptor", "elsewhere:start")))
        assert [row["tenant"] for row in rows] == ["a", "b"]

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("nonsense", "package.module:name"),
            ("missing_module:encryptor", "No module named 'missing_module'"),
            ("application:missing", "has no missing"),
            ("application:ssn", "is a Field"),
            ("application:unconfigured", "no keys yet"),
            ("broken:encryptor", "ZeroDivisionError"),
            ("application:late", "name a function that does so and returns it"),
            ("application:forgetful", "application:forgetful() returned nothing: have it return the Encryptor"),
            ("application:failing", "application:failing() failed: LookupError: no settings"),
        ],
    )
    def test_what_is_no_encryptor(self, run: Run, application: Any, tmp_path: Path, path: str, said: str) -> None:
        """One clear line, exit code 2."""
        (tmp_path / "broken.py").write_text("1 / 0")
        assert said in complaint(run("keys", "list", "--encryptor", path), 2)

    def test_a_malformed_pyproject(self, run: Run, tmp_path: Path) -> None:
        """The file is named."""
        (tmp_path / "pyproject.toml").write_text("[tool")
        assert "pyproject.toml" in complaint(run("doctor"), 2)

    def test_a_malformed_arn(self, run: Run, tmp_path: Path) -> None:
        """The module that makes the provider cannot be imported, and the line says why."""
        FileKeyStore.create(tmp_path / "keys.sqlite")
        (tmp_path / "vault.py").write_text(AWS.format(arn="arn:aws:kms:nowhere", regions=None, endpoints=None))
        assert "is not the ARN of a KMS key" in complaint(run("doctor", "--encryptor", "vault:encryptor"), 2)

    def test_a_key_store_that_is_down(self, run: Run, application: Any, tmp_path: Path) -> None:
        """For every command that needs it."""
        (tmp_path / "keys.sqlite").write_bytes(b"half written")
        for command in ("list", "rotate", "repair", "export"):
            assert "cannot be used" in complaint(run("keys", command), 1)
        assert (tmp_path / "keys.sqlite").read_bytes() == b"half written"

    @pytest.mark.parametrize("arguments", [["show", "abc"], ["shred", "--tenant", "", "--yes"]])
    def test_malformed_arguments(self, run: Run, application: Any, arguments: list[str]) -> None:
        """One line, exit code 2."""
        complaint(run("keys", *arguments), 2)


class TestDoctor:
    @pytest.fixture
    def vault(self, run: Run, aws: LocalAws, tmp_path: Path) -> Callable[[str, list[str]], None]:
        """Writes the module of a user with KMS keys, and encrypts something with it."""

        def vault(arn: str, regions: list[str]) -> None:
            endpoints = {region: aws.endpoint(region) for region in (HOME, AWAY)}
            FileKeyStore.create(tmp_path / "keys.sqlite")
            (tmp_path / "vault.py").write_text(AWS.format(arn=arn, regions=regions, endpoints=endpoints))
            (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nencryptor = "vault:encryptor"\n')
            sys.path.insert(0, str(tmp_path))
            sys.modules.pop("vault", None)
            module = importlib.import_module("vault")
            for tenant in ("a", "b"):
                module.ssn.encrypt(SSN, tenant=tenant)

        return vault

    @pytest.fixture
    def key(self, aws: LocalAws) -> str:
        """The ARN of a multi-Region key that rotates."""
        arn = aws.create_key()
        aws.kms(HOME).enable_key_rotation(KeyId=arn.rpartition("/")[2])
        return arn

    def failed(self, result: Result) -> dict[tuple[str, str], str]:
        """What is wrong, and why."""
        findings = json.loads(stdout(result, 1))["findings"]
        wrong = [finding for finding in findings if finding["verdict"] == "failed"]
        assert all(finding["advice"] for finding in wrong)
        return {(finding["place"], finding["check"]): finding["detail"] for finding in wrong}

    def test_a_healthy_set_up(self, run: Run, vault: Any, key: str) -> None:
        """Exit code 0, and in each region everything was looked at."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--json")))["findings"]
        for region in (HOME, AWAY):
            checks = {finding["check"] for finding in findings if finding["place"] == region}
            assert checks == {
                *("reachable", "key exists", "key enabled", "multi-Region key", "rotation"),
                *("wrap", "unwrap", "data keys open"),
                *WHO_MAY,
            }
        assert {finding["check"] for finding in findings if finding["verdict"] != "ok"} == WHO_MAY
        assert "Nothing is wrong, as far as can be told from here." in stdout(run("doctor"))

    def test_a_principal_that_only_wraps(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """A warning, which fails with `--strict`, in the region whose policy has it."""
        vault(key, [HOME, AWAY])
        loader = "arn:aws:iam::123456789012:role/loader"
        policy = {
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": loader}, "Action": "kms:Encrypt", "Resource": "*"}]
        }
        aws.kms(AWAY).put_key_policy(KeyId=key.rpartition("/")[2], PolicyName="default", Policy=json.dumps(policy))
        told = json.loads(stdout(run("doctor", "--json")))
        assert told["ok"]
        (warned,) = (finding for finding in told["findings"] if finding["verdict"] == "warning")
        assert (warned["place"], warned["check"]) == (AWAY, "who may wrap")
        assert loader in warned["detail"]
        assert not json.loads(stdout(run("doctor", "--strict", "--json"), 1))["ok"]

    def test_a_disabled_replica(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """Named with its region, and only there."""
        vault(key, [HOME, AWAY])
        aws.kms(AWAY).disable_key(KeyId=key.rpartition("/")[2])
        wrong = self.failed(run("doctor", "--json"))
        assert {place for place, _ in wrong} == {AWAY}
        assert "Disabled" in wrong[AWAY, "key enabled"]
        assert "aws kms enable-key" in stdout(run("doctor"), 1)

    def test_a_missing_replica(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """The region is configured, but the key was never replicated there."""
        metadata = aws.kms(HOME).create_key(MultiRegion=True)["KeyMetadata"]
        aws.kms(HOME).enable_key_rotation(KeyId=metadata["KeyId"])
        vault(metadata["Arn"], [HOME, AWAY])
        wrong = self.failed(run("doctor", "--json"))
        assert {place for place, _ in wrong} == {AWAY}
        assert "does not exist" in wrong[AWAY, "key exists"]

    def test_a_single_region_key(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """Nobody outside its region can read."""
        arn = aws.create_key(multi_region=False)
        aws.kms(HOME).enable_key_rotation(KeyId=arn.rpartition("/")[2])
        vault(arn, [HOME])
        assert "single-Region key" in self.failed(run("doctor", "--json"))[HOME, "multi-Region key"]

    def test_an_alias_that_points_elsewhere(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """Aliases are set in each region by itself, and one was forgotten."""
        name = f"alias/of-{key.rpartition('-')[2][:8]}"
        for region, arn in ((HOME, key), (AWAY, aws.create_key())):
            aws.kms(region).create_alias(AliasName=name, TargetKeyId=arn.rpartition("/")[2])
        vault(f"{key.rpartition(':')[0]}:{name}", [HOME, AWAY])
        assert "in the first region to another key" in self.failed(run("doctor", "--json"))[AWAY, "same key"]

    def test_an_rsa_key(self, run: Run, tmp_path: Path, aws: LocalAws) -> None:
        """Nothing rotates by itself, and there is nothing to complain of."""
        kms = aws.kms(HOME)
        metadata = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", MultiRegion=True)["KeyMetadata"]
        kms.replicate_key(KeyId=metadata["KeyId"], ReplicaRegion=AWAY)
        endpoints = {region: aws.endpoint(region) for region in (HOME, AWAY)}
        module = AWS.replace("AwsKmsKeyProvider", "AwsKmsRsaKeyProvider")
        module = module.format(arn=metadata["Arn"], regions=[HOME, AWAY], endpoints=endpoints)
        FileKeyStore.create(tmp_path / "keys.sqlite")
        (tmp_path / "vault.py").write_text(module + "ssn.encrypt('078-05-1120')\n")
        stdout(run("doctor", "--encryptor", "vault:encryptor"))

    def test_a_removed_permission(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """A replica has a key policy of its own, which may deny what the primary's allows."""
        vault(key, [HOME, AWAY])
        policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}]}
        key_id = key.rpartition("/")[2]
        aws.kms(AWAY).put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(policy))
        wrong = self.failed(run("doctor", "--json"))
        assert set(wrong) == {(AWAY, "unwrap"), (AWAY, "data keys open")}
        assert "AccessDenied" in wrong[AWAY, "unwrap"]

    def test_a_corrupted_record(self, run: Run, vault: Any, key: str) -> None:
        """The data key is named; the other one is fine."""
        vault(key, [HOME, AWAY])
        record = sys.modules["vault"].encryptor.store.list("a")[0]
        wrap = record.wraps[0]._replace(data=record.wraps[0].data[:-1] + bytes([record.wraps[0].data[-1] ^ 1]))
        corrupt(record.key_id, record._replace(wraps=(wrap,)).to_bytes())
        wrong = self.failed(run("doctor", "--json"))
        assert set(wrong) == {(HOME, "data keys open"), (AWAY, "data keys open")}
        assert all(record.key_id.hex() in detail for detail in wrong.values())

    def test_an_unreadable_record(self, run: Run, vault: Any, key: str) -> None:
        """What is no record at all is said of the key store."""
        vault(key, [HOME, AWAY])
        key_id = sys.modules["vault"].encryptor.store.list("a")[0].key_id
        corrupt(key_id, b"nonsense")
        assert key_id.hex() in self.failed(run("doctor", "--json"))["key store", "data keys open"]

    def test_a_lost_region(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """It cannot be reached; that is the cause, and no data key is blamed."""
        vault(key, [HOME, AWAY])
        aws.cut(AWAY)
        try:
            wrong = self.failed(run("doctor", "--json"))
        finally:
            aws.restore(AWAY)
        assert {place for place, _ in wrong} == {AWAY}
        assert "cannot be reached" in wrong[AWAY, "reachable"]

    def test_rotation_that_is_off(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """A warning, for so KMS makes its keys; whoever wants it on says `--strict`."""
        vault(aws.create_key(), [HOME, AWAY])
        told = json.loads(stdout(run("doctor", "--json")))
        assert told["ok"]
        warnings = [finding for finding in told["findings"] if finding["verdict"] not in ("ok", "unknown")]
        assert [(each["place"], each["check"], each["verdict"]) for each in warnings] == [
            (region, "rotation", "warning") for region in (HOME, AWAY)
        ]
        assert not json.loads(stdout(run("doctor", "--strict", "--json"), 1))["ok"]
        for_people = stdout(run("doctor"))
        assert "Nothing fails, as far as can be told from here; 2 warnings." in for_people
        assert "aws kms enable-key-rotation" in for_people

    @pytest.mark.parametrize(
        ("metadata", "warned"),
        [
            ({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-1234567890abcdef0"}, False),
            ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1234567890abcdef0"}, False),
            ({"Origin": "EXTERNAL"}, False),
            ({"Origin": "EXTERNAL", "ValidTo": datetime.now(UTC) + timedelta(days=31)}, False),
            ({"Origin": "EXTERNAL", "ValidTo": datetime.now(UTC) + timedelta(days=29)}, True),
        ],
    )
    def test_keys_whose_material_is_not_made_by_kms(self, metadata: dict[str, Any], warned: bool) -> None:
        """KMS cannot rotate them, and is not asked; imported material may end, and that is said a month ahead."""
        arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
        client = boto3.client("kms", region_name=HOME)
        described = {"KeyId": arn.rpartition("/")[2], "Arn": arn, "KeyState": "Enabled", "MultiRegion": True}
        with Stubber(client) as stub:
            stub.add_response("describe_key", {"KeyMetadata": described | metadata})
            stub.add_client_error("get_key_policy", "AccessDeniedException")
            provider = AwsKmsKeyProvider(arn, [HOME], client_factory=lambda region: client)
            findings = list(examine_region(provider, HOME, [arn]))
        assert [f.check for f in findings if f.verdict is Verdict.WARNING] == (["key material"] if warned else [])

    def test_a_shredded_tenant_with_a_key(self, run: Run, application: Any) -> None:
        """Some process was making one while the tenant was shredded."""
        stdout(run("keys", "shred", "--tenant", "a", "--by", "ann", "--yes"))
        late = Encryptor(application.old, FileKeyStore.create("late.sqlite"))
        late.field("a.b", str).encrypt(SSN, tenant="a")
        application.encryptor.store.add(*late.store.list("a"))  # type: ignore[union-attr]
        told = self.failed(run("doctor", "--json"))["key store", "shredded tenants"]
        assert "tenant 'a' has 1 data key beside tombstones" in told
        assert "by 'ann' (1 tombstone: " in told
        assert "living data keys from before: 0 of 1" in told

    @pytest.mark.parametrize(
        ("tenant", "created", "shredded", "keys"),
        [
            (None, 1, 1_700_000_000, 1),
            ("c", 1, 4_000_000_000, 1),
            ("c", 1_700_100_000, 1_700_000_000, 1),
            ("c", 1, 1_700_000_000, 2),
        ],
    )
    def test_a_tombstone_that_no_shredding_makes(
        self, run: Run, application: Any, tenant: str | None, created: int, shredded: int, keys: int
    ) -> None:
        """Of no tenant's key, in the future, before the key was made, or of keys that left no tombstone."""
        stone = Tombstone(os.urandom(16), Purpose.ENCRYPTION, created, tenant, shredded, "x", keys)
        application.encryptor.store.add(stone)
        assert stone.key_id.hex() in self.failed(run("doctor", "--json"))["key store", "shredded tenants"]

    def test_tombstones_of_a_shredding_are_no_trouble(self, run: Run, application: Any) -> None:
        """Nor of one that was begun again after a key had been added."""
        stdout(run("keys", "shred", "--tenant", "a", "--by", "ann", "--yes"))
        late = Encryptor(application.old, FileKeyStore.create("late.sqlite"))
        late.field("a.b", str).encrypt(SSN, tenant="a")
        application.encryptor.store.add(*late.store.list("a"))  # type: ignore[union-attr]
        told = stdout(run("keys", "shred", "--tenant", "a", "--by", "bob", "--yes"))
        assert "within 15 minutes; from one that cannot reach the key store within 1 hour more" in told
        assert "1 data key, and 2 shredded" in stdout(run("doctor"))

    def test_a_forged_tombstone_destroys_nothing(self, run: Run, application: Any) -> None:
        """It needs no key to write. What it claims is told, with what speaks against it, and no command is advised."""
        evil = "x; rm -rf ~"
        application.ssn.encrypt(SSN, tenant=evil)
        for number in range(5):
            stone = Tombstone(os.urandom(16), Purpose.ENCRYPTION, 1, evil, 2_000_000_000 + number, "nobody", 4)
            application.encryptor.store.add(stone)
        findings = json.loads(stdout(run("doctor", "--json"), 1))["findings"]
        (found,) = (finding for finding in findings if finding["check"] == "shredded tenants")
        assert "claim: 4 keys shredded on 2033-05-18T03:33:20Z by 'nobody' (1 tombstone: " in found["detail"]
        assert "living data keys from before: 1 of 1" in found["detail"]
        assert found["detail"].endswith("; 2 more of the kind")
        assert "the tombstone is forged" in found["advice"]
        assert evil not in found["advice"]
        assert "fieldcrypt keys" not in found["advice"]

    def test_no_advice_destroys_anything(self) -> None:
        """Whatever is wrong may be wrong because somebody wants it repaired like that."""
        sources = "".join(path.read_text() for path in Path(examine_region.__code__.co_filename).parent.glob("*.py"))
        assert not re.findall(r"keys (?:shred|retire)|schedule-key-deletion|disable-key\b|delete-[a-z]+", sources)

    def test_a_role_for_one_tenant(self, run: Run, vault: Any, key: str) -> None:
        """It looks at that tenant's data keys alone."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--tenant", "a", "--json")))["findings"]
        opened = {finding["detail"] for finding in findings if finding["check"] == "data keys open"}
        assert opened == {"all 1 of tenant 'a'"}

    def test_a_tenant_without_data_keys(self, run: Run, vault: Any, key: str) -> None:
        """Its name may be misspelt, so that none of its data keys opens is not said to be well."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--tenant", "typo", "--json")))["findings"]
        opened = {(f["verdict"], f["detail"]) for f in findings if f["check"] == "data keys open"}
        assert opened == {("unknown", "there is none of tenant 'typo': is that its name?")}

    def test_an_empty_key_store(self, run: Run, application: Any, tmp_path: Path) -> None:
        """It may be the wrong one."""
        (tmp_path / "elsewhere.py").write_text(LOCAL.replace("keys.sqlite", "empty.sqlite"))
        FileKeyStore.create(tmp_path / "empty.sqlite")
        assert "is this the right key store?" in stdout(run("doctor", "--encryptor", "elsewhere:encryptor"))

    def test_a_key_store_in_a_directory_that_is_not_there(self, run: Run, application: Any, tmp_path: Path) -> None:
        """Nor is a wrong path an empty key store."""
        (tmp_path / "elsewhere.py").write_text(LOCAL.replace("keys.sqlite", "nowhere/keys.sqlite"))
        assert "there is no such file" in complaint(run("keys", "list", "--encryptor", "elsewhere:encryptor"), 1)

    def test_the_keys_of_another_environment(self, run: Run, application: Any) -> None:
        """No command helps if no place opens a data key: what is configured is to be looked at."""
        findings = json.loads(stdout(run("doctor", "--json", "--encryptor", "application:moved"), 1))["findings"]
        (found,) = (finding for finding in findings if finding["verdict"] == "failed")
        assert "if another place opens them" in found["advice"]
        assert "the configuration of another environment" in found["advice"]
        remarks = stdout(run("keys", "list", "--encryptor", "application:moved"))
        assert "instead" in remarks
        assert "also under" not in remarks

    def test_a_move_under_way(self, run: Run, application: Any) -> None:
        """While a chain is configured, data keys open by the old or by the new provider."""
        application.encryptor.data_keys.rewrap(application.new)
        application.ssn.encrypt(SSN, tenant="c")
        stdout(run("doctor"))

    def test_a_role_that_only_reads(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """It need not be allowed to wrap, if one says so."""
        vault(key, [HOME, AWAY])
        policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}]}
        for region in (HOME, AWAY):
            aws.kms(region).put_key_policy(
                KeyId=key.rpartition("/")[2], PolicyName="default", Policy=json.dumps(policy)
            )
        assert set(self.failed(run("doctor", "--json"))) == {(HOME, "wrap"), (AWAY, "wrap")}
        stdout(run("doctor", "--reads-only"))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (900, "15 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (86_400 * 90, "90 days"),
        (1.5, "1.5 seconds"),
    ],
)
def test_times_are_said_in_words(seconds: float, said: str) -> None:
    """In the largest unit that leaves nothing over."""
    assert in_words(timedelta(seconds=seconds)) == said
