"""A user's module, in a directory of its own."""

from __future__ import annotations

import base64
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import FileKeyStore
from tests.cli.application import LOCAL, SSN
from tests.support.commands import Run
from tests.support.commands import run as run


@pytest.fixture
def imported(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Makes the module `application` of its text, where commands find it, and imports it."""

    def imported(text: str) -> Any:
        (tmp_path / "application.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module("application")

    return imported


@pytest.fixture
def application(imported: Callable[[str], Any], tmp_path: Path) -> Any:
    """The module of a user with local keys; tenants a and b have a value each."""
    for name in ("old", "new"):
        (tmp_path / f"{name}.key").write_bytes(base64.b64encode(os.urandom(32)))
    FileKeyStore.create(tmp_path / "keys.sqlite")
    (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nencryptor = "application:encryptor"\n')
    module = imported(LOCAL)
    module.values = {tenant: module.ssn.encrypt(SSN, tenant=tenant) for tenant in ("a", "b")}
    return module
