"""Builds what is uploaded to the package index, and checks it: `make dist`.

python -m tests.support.release.distributions

A wheel and a source distribution are built into dist/, with the time of the last commit in place of today's. They are
built twice, and once from the source distribution: the same bytes each time. Links of the page on the index lead to the
site and to files of this version that exist; classifiers are known; the changelog has a section of the version.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

from trove_classifiers import classifiers

ROOT = Path(__file__).parents[3]
DIST = ROOT / "dist"
PAGE = "https://fieldcrypt.readthedocs.io/page/"
FILE = "https://github.com/fieldcrypt/fieldcrypt/blob/v"

# check-wheel-contents: several packages at the top are meant, and so are small files that are alike.
ALLOWED = "W002,W009"


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    sdist, wheel = _built(ROOT, DIST)
    with tempfile.TemporaryDirectory() as directory:
        again = _built(ROOT, Path(directory) / "again")
        with tarfile.open(sdist) as source:
            source.extractall(directory, filter="data")
        _, from_source = _built(Path(directory) / sdist.name.removesuffix(".tar.gz"), Path(directory) / "source")
        for one, other in ((sdist, again[0]), (wheel, again[1]), (wheel, from_source)):
            if _digest(one) != _digest(other):
                sys.exit(f"{one.name} differs when it is built again: {_digest(one)} and {_digest(other)}")
    _run("twine", "check", "--strict", sdist, wheel)
    _run("check_wheel_contents", "--ignore", ALLOWED, wheel)
    faults = _faults(_metadata(wheel))
    if faults:
        sys.exit("\n".join(faults))
    for path in (sdist, wheel):
        print(f"{_digest(path)}  {path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")


def _built(source: Path, directory: Path) -> tuple[Path, Path]:
    """Build both from a directory, as anyone does who has the tools and the time of the commit."""
    _run("build", "--outdir", directory, "--sdist", "--wheel", source)
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return sdist, wheel


def _faults(metadata: Message) -> list[str]:
    """What would be wrong on the page of the index."""
    version, text = metadata["Version"], str(metadata.get_payload())
    faults = [f"no such classifier: {each}" for each in metadata.get_all("Classifier", []) if each not in classifiers]
    if f"\n## [{version}] - " not in (ROOT / "CHANGELOG.md").read_text():
        faults.append(f"CHANGELOG.md has no section of {version}")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith(PAGE):
            file = f"docs/{link.removeprefix(PAGE).partition('#')[0].removesuffix('.html')}.md"
        elif link.startswith(FILE):
            file = link.removeprefix(f"{FILE}{version}/").partition("#")[0]
        elif link.startswith(("https://", "#")):
            continue
        else:
            file = ""
        if not file or not (ROOT / file).exists():
            faults.append(f"the page on the index links to {link}, which is nowhere")
    return faults


def _metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as contents:
        (name,) = (name for name in contents.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(contents.read(name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(module: str, *arguments: str | Path) -> None:
    command = ["git", "log", "-1", "--format=%ct"]
    time = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    environment = os.environ | {"SOURCE_DATE_EPOCH": time}
    ran = subprocess.run([sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{module} failed:\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
