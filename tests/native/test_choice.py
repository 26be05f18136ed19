"""Which backend is used: what is asked for, or an error; under `auto` the native core, if nothing is wrong with it."""

from __future__ import annotations

import ast
import tomllib

import pytest

from fieldcrypt import ConfigurationError, Encryptor, _version
from fieldcrypt.backends import BACKENDS, PYTHON
from fieldcrypt.backends.extension import NEEDED
from fieldcrypt.backends.known_answers import wrong_answers
from tests.native.conftest import ROOT, WHOLE, Program

ASK = "import fieldcrypt; print(fieldcrypt.backend())"
IN_WORDS = "auto, python, native, native-fips"

BROKEN = {
    "another seam": (WHOLE + "SEAM = 999", "was built from other sources: its seam is 999"),
    "another version": (WHOLE + "__version__ = '0.0.1'", "fieldcrypt-native is of version 0.0.1, and fieldcrypt of "),
    "no version": ("", "is not the native core, or is broken: it has no version"),
    "no instructions for AES": (WHOLE + "HAS_AES = False", "no instructions for AES"),
    "a part is missing": (WHOLE + "del Mac", "fieldcrypt_native lacks Mac"),
    "an import fails": ("import no_such_module", "No module named 'no_such_module'"),
    "the library cannot be loaded": ("raise OSError('invalid ELF header')", "OSError: invalid ELF header"),
    "its initialisation fails": ("raise SystemError('initialization failed')", "SystemError: initialization failed"),
    "it panics on import": ("class Panic(BaseException): ...\nraise Panic('at src/lib.rs')", "Panic: at src/lib.rs"),
    "it panics when tried out": (
        WHOLE + "class Panic(BaseException): ...\ndef key_id(secret): raise Panic('at src/lib.rs')",
        "trying out fieldcrypt_native failed: Panic: at src/lib.rs",
    ),
    "key ids are wrong": (WHOLE + "key_id = lambda secret: bytes(16)", "computes wrongly: key ids"),
    "tags of records are wrong": (WHOLE + "record_tag = lambda s, m: bytes(32)", "computes wrongly: tags of records"),
    "it takes no data key": (WHOLE + "Cipher = lambda: None", "trying out fieldcrypt_native failed: TypeError"),
    "nothing is authentic": (WHOLE + "Cipher.decrypt = lambda *_: None", "trying out fieldcrypt_native failed"),
    "everything is authentic": (
        WHOLE + "Cipher.decrypt = lambda *_: b'078-05-1120'",
        "computes wrongly: authentication",
    ),
}
broken = pytest.mark.parametrize(("module", "reason"), BROKEN.values(), ids=BROKEN)


class TestAuto:
    def test_without_a_native_core(self, program: Program) -> None:
        """Python is used, and nothing is said, because nothing is wrong."""
        done = program(ASK, options=("-W", "error"))
        assert done.stdout.startswith("python: cryptography ")
        assert done.stderr == ""

    def test_with_a_native_core(self, program: Program) -> None:
        """It is used, and nothing is said."""
        done = program(ASK, WHOLE, options=("-W", "error"))
        assert done.stdout == f"native: aws-lc 1.2.3 by fieldcrypt-native {_version.__version__}\n"
        assert done.stderr == ""

    def test_with_the_fips_build(self, program: Program) -> None:
        """It is used too, and says the name and the version of its library, from which everything else follows."""
        done = program(ASK, WHOLE + "CRYPTOGRAPHY = 'aws-lc-fips'")
        assert done.stdout.startswith("native-fips: aws-lc-fips 1.2.3 by fieldcrypt-native ")

    @broken
    def test_something_is_wrong_with_it(self, program: Program, module: str, reason: str) -> None:
        """One warning says what, however many Encryptors are made, and all of the work is done in Python."""
        text = """
import fieldcrypt, sys
encryptors = [fieldcrypt.Encryptor(fieldcrypt.LocalKeyProvider.generate()) for _ in range(3)]
encryptors.append(fieldcrypt.Encryptor(fieldcrypt.LocalKeyProvider.generate(), backend="auto"))
field = encryptors[-1].field("patients.ssn", str)
assert field.decrypt(field.encrypt("078-05-1120")) == "078-05-1120"
assert type(field) is fieldcrypt.Field
assert not [name for name in sys.modules if name.startswith("fieldcrypt.native")]
print({encryptor.backend.partition(":")[0] for encryptor in encryptors})
"""
        done = program(text, module)
        assert done.stdout == "{'python'}\n", done.stderr
        assert done.stderr.count("RuntimeWarning: fieldcrypt works in Python, because its native core") == 1
        assert reason in done.stderr

    @pytest.mark.parametrize("call", ["Encryptor(backend='auto')", "Encryptor()", "backend()"])
    def test_the_warning_shows_the_line_of_the_caller(self, program: Program, call: str) -> None:
        """And not one of fieldcrypt's."""
        assert "<string>:1: RuntimeWarning" in program(f"import fieldcrypt; fieldcrypt.{call}", "").stderr


class TestByName:
    @broken
    @pytest.mark.parametrize("name", ["native", "native-fips"])
    def test_something_is_wrong_with_it(self, program: Program, module: str, reason: str, name: str) -> None:
        """Whoever asks for it gets an error that says what, and no warning."""
        done = program(ASK, module, backend=name, options=("-W", "error"))
        assert f"ConfigurationError: FIELDCRYPT_BACKEND={name!r} cannot be had: " in done.stderr
        assert reason in done.stderr

    @pytest.mark.parametrize(
        ("name", "advice"),
        [("native", f"fieldcrypt-native=={_version.__version__}"), ("native-fips", "see docs/operations/native.md")],
    )
    def test_it_is_not_installed(self, program: Program, name: str, advice: str) -> None:
        """The error says how it can be had."""
        done = program(f"import fieldcrypt; fieldcrypt.Encryptor(backend={name!r})")
        assert f"backend={name!r} cannot be had: fieldcrypt-native is not installed. " in done.stderr
        assert advice in done.stderr

    @pytest.mark.parametrize(("name", "built"), [("native", "aws-lc-fips"), ("native-fips", "aws-lc")])
    def test_the_other_build_is_installed(self, program: Program, name: str, built: str) -> None:
        """It is not taken for the one that was asked for."""
        done = program(ASK, WHOLE + f"CRYPTOGRAPHY = {built!r}", backend=name)
        assert f"ConfigurationError: FIELDCRYPT_BACKEND={name!r} cannot be had: the fieldcrypt-native" in done.stderr

    def test_python_does_not_look_at_the_native_core(self, program: Program) -> None:
        """It is not even imported."""
        done = program(ASK, "raise OSError", backend="python", options=("-W", "error"))
        assert done.stdout.startswith("python: ")

    def test_an_argument_counts_more_than_the_environment(self, program: Program) -> None:
        """Of one Encryptor, that is; all others use what the environment says."""
        names = ("python", "auto", None)
        text = f"import fieldcrypt; print([fieldcrypt.Encryptor(backend=name).backend[:6] for name in {names}])"
        assert program(text, WHOLE, backend="python").stdout == "['python', 'native', 'python']\n"

    def test_the_environment_is_read_once(self, program: Program) -> None:
        """Two Encryptors of a process that name no backend have the same."""
        text = "import fieldcrypt, os; fieldcrypt.backend(); os.environ['FIELDCRYPT_BACKEND'] = 'native'"
        assert program(f"{text}; {ASK}", WHOLE, backend="python").stdout.startswith("python: ")

    def test_an_empty_variable_is_none(self, program: Program) -> None:
        """As in shells, and in files of containers that set what is not wanted to nothing."""
        assert program(ASK, WHOLE, backend="").stdout.startswith("native: ")

    def test_a_wrong_name_in_the_environment(self, program: Program) -> None:
        """The error names the variable, and what it can be."""
        stderr = program(ASK, backend="rust").stderr
        assert f"ConfigurationError: FIELDCRYPT_BACKEND='rust' is not a backend: use one of {IN_WORDS}" in stderr

    @pytest.mark.parametrize("name", ["rust", "", "Native", 7, ["native"]])
    def test_a_wrong_argument(self, name: str) -> None:
        """The error says what it can be."""
        with pytest.raises(ConfigurationError, match=f"is not a backend: use one of {IN_WORDS}"):
            Encryptor(backend=name)

    def test_the_command_line_prints_the_version_all_the_same(self, program: Program) -> None:
        """And what is wrong, without a traceback."""
        done = program(
            "import sys; from fieldcrypt.cli import app; sys.argv[1:] = ['--version']; app()", backend="native"
        )
        assert done.stdout == f"{_version.__version__}\n"
        assert done.stderr.startswith("FIELDCRYPT_BACKEND='native' cannot be had: fieldcrypt-native is not installed. ")
        assert len(done.stderr.splitlines()) == 1


class TestPickles:
    def test_a_choice_goes_with_it(self, program: Program) -> None:
        """What was asked for by name is asked for where it is unpickled, configured or not."""
        text = """
import fieldcrypt, pickle
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
providers = (None, AwsKmsKeyProvider("arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"))
print([pickle.dumps(fieldcrypt.Encryptor(provider, backend="python")) for provider in providers])
"""
        made = program(text, WHOLE).stdout.strip()
        done = program(f"import pickle; print([pickle.loads(each).backend[:6] for each in {made}])", WHOLE)
        assert done.stdout == "['python', 'python']\n", done.stderr

    def test_it_cannot_be_had_there(self, program: Program) -> None:
        """Then unpickling fails, and says why."""
        made = program("import fieldcrypt, pickle; print(pickle.dumps(fieldcrypt.Encryptor(backend='native')))", WHOLE)
        done = program(f"import pickle; pickle.loads({made.stdout.strip()})")
        assert "ConfigurationError: backend='native' cannot be had: fieldcrypt-native is not installed" in done.stderr

    def test_by_default_there_is_nothing_of_it(self, program: Program) -> None:
        """So older versions read them, and each process uses what it has."""
        text = "import fieldcrypt, pickle; print(pickle.dumps(fieldcrypt.Encryptor()))"
        made = program(text, WHOLE, backend="native").stdout.strip()
        assert "native" not in made
        assert "partial" not in made
        done = program(f"import pickle; print(pickle.loads({made}).backend[:6])")
        assert done.stdout == "python\n"


def test_importing_fieldcrypt_does_not_import_the_native_core(program: Program) -> None:
    """It is loaded when the first Encryptor is made, or somebody asks."""
    done = program("import fieldcrypt, sys; print('fieldcrypt_native' in sys.modules)", WHOLE)
    assert done.stdout == "False\n"


def test_python_gives_the_known_answers() -> None:
    """What native cores are held to is what the specification says."""
    assert wrong_answers(PYTHON) == []


def test_the_types_name_what_is_needed() -> None:
    """The types of the native core and the list of what it must have are of the same names."""
    named: set[str] = set()
    for statement in ast.parse((ROOT / "native/fieldcrypt_native.pyi").read_text()).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            named.add(statement.target.id)
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            named.add(statement.name)
    assert {name for name in named if name[0] != "_" or name == "__version__"} == set(NEEDED)


def test_all_have_one_version() -> None:
    """The crate, in the spelling of Cargo, and what the extra pins, are of fieldcrypt's version."""
    crate = tomllib.loads((ROOT / "native/Cargo.toml").read_text())["package"]["version"]
    assert crate.replace("-dev.", ".dev").replace("-rc.", "rc") == _version.__version__
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["native"] == [f"fieldcrypt-native=={_version.__version__}"]


def test_help_names_the_backends() -> None:
    """The docstring of Encryptor has them all."""
    assert [name for name in BACKENDS if f'"{name}"' not in (Encryptor.__doc__ or "")] == []
