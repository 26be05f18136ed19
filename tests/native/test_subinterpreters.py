"""Subinterpreters are refused in words, rather than given the keys of another interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTING = """
import importlib, sys
{first}
interpreters = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
program = f'''
import sys
sys.path[:0] = {{sys.path!r}}
try:
    import {module}
except ImportError as error:
    print("refused:", error)
'''
interpreters.run_string(interpreters.create(), program)
"""


def imported(module: str, first: str = "") -> str:
    """What a second interpreter says when it imports a module, after the first one has done something."""
    program = IMPORTING.format(first=first, module=module)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_second_interpreter_cannot_import_fieldcrypt() -> None:
    """The ImportError says so, with whichever backend: it comes from cryptography."""
    said = imported("fieldcrypt", first="import fieldcrypt")
    assert said.startswith("refused: ")
    assert "subinterpreters" in said


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 lets the first interpreter that imports it have it")
def test_not_even_the_first_interpreter_that_imports_it() -> None:
    """So it does not depend on who comes first."""
    assert imported("fieldcrypt").startswith("refused: ")
