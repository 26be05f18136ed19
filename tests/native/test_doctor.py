"""What `fieldcrypt doctor` says of the native core."""

from __future__ import annotations

import json

from tests.native.conftest import WHOLE, Program

DOCTOR = """
import json
from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt.cli.doctor.backend import examine_backend
encryptor = Encryptor(LocalKeyProvider.generate(){})
print(json.dumps([finding.as_json() for finding in examine_backend(encryptor)]))
"""


def findings(program: Program, module: str | None, argument: str = "") -> dict[str, tuple[str, str]]:
    """The verdict and the detail of each check."""
    done = program(DOCTOR.format(argument), module)
    return {each["check"]: (each["verdict"], each["detail"]) for each in json.loads(done.stdout)}


def test_without_a_native_core(program: Program) -> None:
    """Nothing is wrong, so nothing is advised."""
    found = findings(program, None)
    assert list(found) == ["backend"]
    assert found["backend"][0] == "ok"
    assert found["backend"][1].startswith("python: cryptography ")


def test_with_a_native_core(program: Program) -> None:
    """It says which one."""
    verdict, detail = findings(program, WHOLE)["backend"]
    assert verdict == "ok"
    assert detail.startswith("native: aws-lc 1.2.3 by fieldcrypt-native ")


def test_with_one_that_cannot_be_used(program: Program) -> None:
    """It warns, and says why Python is used."""
    found = findings(program, WHOLE + "HAS_AES = False")
    assert found["backend"][1].startswith("python: ")
    assert found["native core"][0] == "warning"
    assert "no instructions for AES" in found["native core"][1]


def test_of_an_encryptor_that_asked_for_python(program: Program) -> None:
    """It says what that Encryptor uses, and not what the process would."""
    found = findings(program, WHOLE, ", backend='python'")
    assert found["backend"][1].startswith("python: ")


def test_python_does_not_look_at_the_native_core(program: Program) -> None:
    """Importing one that is broken may end the process, so whoever asks for Python can still have doctor."""
    module = "import os; os.abort()"
    assert list(findings(program, module, ", backend='python'")) == ["backend"]


def test_keys_in_locked_memory(program: Program) -> None:
    """It says so, of an Encryptor that has the native core."""
    assert findings(program, WHOLE)["key memory"][0] == "ok"
    assert "key memory" not in findings(program, WHOLE, ", backend='python'")


def test_keys_that_may_be_swapped(program: Program) -> None:
    """It warns, with the reason that the native core gives."""
    found = findings(program, WHOLE + "memory_fault = lambda: 'no page can be locked'")
    assert found["key memory"] == ("warning", "no page can be locked")
