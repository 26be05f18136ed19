"""Looks into the wheels of the native core, and uses the one for this machine under every Python that is here.

python tests/support/check_native_wheels.py DIRECTORY [PYTHON…]

The source distribution is built in an empty directory, and used too. Other Pythons than those on the PATH are named.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
LICENCES = ("LICENSE", "THIRD-PARTY-LICENSES")
HOLDS = {"__init__.py", "__init__.pyi", "fieldcrypt_native.abi3.so", "py.typed"}

USE = f"""
import sys
sys.path.append({str(ROOT)!r})
import fieldcrypt
field = fieldcrypt.Encryptor(fieldcrypt.LocalKeyProvider.generate(), backend="native").field("patients.ssn", str)
assert field.decrypt(field.encrypt("078-05-1120")) == "078-05-1120"
print("Python", sys.version.split()[0], "has", fieldcrypt.backend())
"""


def main() -> None:
    directory, *pythons = sys.argv[1:]
    wheels = sorted(Path(directory).glob("*.whl"))
    (source,) = Path(directory).glob("*.tar.gz")
    for wheel in wheels:
        _look_into(wheel)
        _look_for_paths(wheel)
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    (fitting,) = [wheel for wheel in wheels if libc in wheel.name and platform.machine() in wheel.name]
    found = [shutil.which(f"python{version}") for version in VERSIONS]
    for python in {each for each in (sys.executable, *found, *pythons) if each and _runs(each)}:
        _use(python, fitting)
    with tempfile.TemporaryDirectory() as empty:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "wheel",
            "--no-deps",
            "--wheel-dir",
            empty,
            str(source.resolve()),
        ]
        subprocess.run(pip, check=True, cwd=empty)
        (built,) = Path(empty).glob("*.whl")
        _look_into(built)
        _use(sys.executable, built)
    print("looked into", *(wheel.name for wheel in wheels), source.name)


def _look_into(wheel: Path) -> None:
    with ZipFile(wheel) as contents:
        names = contents.namelist()
    module = {name.partition("/")[2] for name in names if name.startswith("fieldcrypt_native/")}
    if module != HOLDS or not all(any(name.endswith(f"/{each}") for name in names) for each in LICENCES):
        sys.exit(f"{wheel.name} holds the wrong files: {sorted(names)}")


def _look_for_paths(wheel: Path) -> None:
    """Refuse a module that tells where it was built, as a panic would say it too."""
    with ZipFile(wheel) as contents:
        module = contents.read("fieldcrypt_native/fieldcrypt_native.abi3.so")
    for path in (Path.home(), ROOT):
        if f"{path}/".encode() in module:
            sys.exit(f"{wheel.name} has paths of this machine in it, under {path}")


def _runs(python: str) -> bool:
    """Return True if it is a Python; what only takes the place of one that could be installed is not."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _use(python: str, wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([python, "-m", "venv", directory], check=True)
        inside = Path(directory) / "bin" / "python"
        subprocess.run([inside, "-m", "pip", "--quiet", "install", "cryptography", str(wheel.resolve())], check=True)
        subprocess.run([inside, "-I", "-W", "error", "-c", USE], check=True, cwd=directory)


if __name__ == "__main__":
    main()
