"""How a command finds the Encryptor that it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import FileKeyStore
from tests.cli.application import AWS
from tests.support.commands import Run, complaint, stdout


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
            ("application:forgetful", "application:forgetful() returned nothing: let it return the Encryptor"),
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
