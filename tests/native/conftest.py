"""Programs in processes of their own, beside modules called `fieldcrypt_native` that something is wrong with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Program = Callable[..., subprocess.CompletedProcess[str]]

# What a native core has, made of the backend in Python, so that it computes rightly whatever is installed.
WHOLE = f"""
import sys
sys.path.append({str(ROOT)!r})
from fieldcrypt._version import __version__
from fieldcrypt.backends.extension import NEEDED, SEAM
from fieldcrypt.backends.python import PYTHON as _python
from fieldcrypt.errors import DecryptionError as _DecryptionError

for _name in NEEDED:
    globals().setdefault(_name, type(_name, (), {{}}))
CRYPTOGRAPHY, CRYPTOGRAPHY_VERSION, HAS_AES = "aws-lc", "1.2.3", True
key_id, record_tag, Mac = _python.key_id, _python.record_tag, _python.mac
lock_memory = memory_fault = lambda: None

class Cipher:
    def __init__(self, secret):
        self._cipher = _python.cipher(secret)
        self.cipher, self.encrypt, self.wipe = self._cipher.cipher, self._cipher.encrypt, self._cipher.wipe

    def decrypt(self, nonce, ciphertext, aad):
        try:
            return self._cipher.decrypt(nonce, ciphertext, aad)
        except _DecryptionError:
            return None
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs a program without the native core, or beside the text of a module that takes its name."""

    def run(
        text: str, module: str | None = None, *, backend: str | None = None, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        if module is not None:
            (tmp_path / "fieldcrypt_native.py").write_text(module)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIELDCRYPT_")}
        paths = [tmp_path, ROOT, ROOT / "integrations"]
        environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        if backend is not None:
            environment["FIELDCRYPT_BACKEND"] = backend
        hidden = "import sys; sys.modules['fieldcrypt_native'] = None\n" if module is None else ""
        return subprocess.run(
            [sys.executable, *options, "-c", hidden + text], env=environment, capture_output=True, text=True
        )

    return run
