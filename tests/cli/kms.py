"""`fieldcrypt kms` in this process."""

from __future__ import annotations

import json
from typing import Any

import typer
from typer.testing import CliRunner, Result

from fieldcrypt.cli.kms.commands import kms

HOME, AWAY, THIRD = "us-east-1", "eu-west-1", "ap-southeast-2"
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
root = typer.Typer()
root.add_typer(kms)


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(root, ["kms", *arguments], input=stdin)


def one_line(result: Result, code: int) -> str:
    """What was said on stderr by a command that failed: a line, and nothing on stdout."""
    assert result.exit_code == code, result.output
    assert not result.stdout
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def policy(which: str, *arguments: str, key: str = ARN) -> dict[str, Any]:
    result = run("policy", *arguments, "--key", key)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)[which]
    return document
