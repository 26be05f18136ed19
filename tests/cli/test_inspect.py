"""`fieldcrypt inspect`: what a value says of itself, and what the key store knows of it."""

from __future__ import annotations

import base64
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt.format import text_form
from tests.cli.application import SSN
from tests.support.commands import Run, complaint, stdout


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

    def test_a_key_store_that_cannot_be_read_is_a_failure(self, run: Run, application: Any, tmp_path: Path) -> None:
        """The value is described all the same, and a script sees that something is wrong."""
        value = application.values["a"].hex()
        (tmp_path / "keys.sqlite").unlink()
        result = run("inspect", value, "--encryptor", "application:encryptor", "--json")
        assert (result.exit_code, json.loads(result.stdout)["form"]) == (1, "stored")
        assert "there is no such file" in json.loads(result.stdout)["key_store"]

    @pytest.mark.parametrize("is_canary", [True, False])
    def test_it_says_whether_a_value_is_a_canary(self, run: Run, application: Any, is_canary: bool) -> None:
        """If one asks, for that unwraps the data key."""
        field = application.encryptor.field("a.b", str)
        with application.encryptor.writing_canaries() if is_canary else nullcontext():
            value = field.encrypt(SSN, tenant="a").hex()
        asked = ("inspect", value, "--encryptor", "application:encryptor", "--json")
        assert "canary" not in json.loads(stdout(run(*asked)))
        assert json.loads(stdout(run(*asked, "--canary")))["canary"] is is_canary

    def test_without_an_encryptor_it_cannot_say_so(self, run: Run, application: Any) -> None:
        """Only the data key tells."""
        assert "--encryptor" in complaint(run("inspect", application.values["a"].hex(), "--canary"), 2)

    def test_plaintext_is_never_shown(self, run: Run, application: Any) -> None:
        """Though this process could decrypt."""
        assert SSN not in run("inspect", application.values["a"].hex()).output

    def test_what_is_no_value(self, run: Run) -> None:
        """One line, without the text, which may be plaintext."""
        assert SSN not in complaint(run("inspect", SSN), 2)
