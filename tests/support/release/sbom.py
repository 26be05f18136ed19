"""Writes what a release brings along, as CycloneDX: `make sbom`.

python -m tests.support.release.sbom WHEEL

One file for the wheel alone and one for each of its extras, of what is installed with it in an empty virtual
environment by the Python that runs this; and one for the crates of the native core, if there is cargo-cyclonedx. All go
into dist/sbom/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
SBOM = ROOT / "dist" / "sbom"
TOOLS = Path(sys.executable).parent

# The native core's own file says what it brings along; PySpark is most of half a gigabyte.
WITHOUT = {"native", "spark"}


def main() -> None:
    wheel = Path(sys.argv[1]).resolve()
    shutil.rmtree(SBOM, ignore_errors=True)
    SBOM.mkdir(parents=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    name = "-".join(wheel.name.split("-")[:2])
    version = name.rpartition("-")[2]
    for extra in ("", *(extra for extra in extras if extra not in WITHOUT)):
        _of_extra(wheel, extra, version, SBOM / f"{name}{extra and f'-{extra}'}.cdx.json")
    _of_crates(version)
    for path in sorted(SBOM.iterdir()):
        print(f"{len(json.loads(path.read_text())['components']):4} components  {path.relative_to(ROOT)}")


def _of_extra(wheel: Path, extra: str, version: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "venv"
        _run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, environment)
        wanted = f"{wheel}[{extra}]" if extra else str(wheel)
        _run(TOOLS / "uv", "pip", "install", "--quiet", "--python", environment, wanted)
        form = ("--output-reproducible", "--output-format", "JSON", "--output-file", path)
        _run(TOOLS / "cyclonedx-py", "environment", "--pyproject", ROOT / "pyproject.toml", *form, environment)
    _reproducible(path, version)


def _of_crates(version: str) -> None:
    """Of what is linked into the native core under its default features."""
    if not shutil.which("cargo-cyclonedx"):
        print("without the crates of the native core: cargo install cargo-cyclonedx")
        return
    written = ROOT / "native" / "sbom.cdx.json"
    _run("cargo", "cyclonedx", "--format", "json", "--override-filename", "sbom.cdx", cwd=ROOT / "native")
    _reproducible(written.rename(SBOM / f"fieldcrypt_native-{version}.cdx.json"), version)


def _reproducible(path: Path, version: str) -> None:
    """Say which version it is of, and not when, and where on this machine, it was made."""
    document = json.loads(path.read_text())
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    document["metadata"]["component"] |= {"type": "library", "version": version}
    path.write_text(json.dumps(_cleaned(document), indent=2) + "\n")


def _cleaned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items() if not _is_path(each)}
    if isinstance(value, list):
        return [_cleaned(each) for each in value if not _is_path(each)]
    return value


def _is_path(value: object) -> bool:
    """Return True for an address on this machine, and for an entry that is about one."""
    if isinstance(value, dict):
        return _is_path(value.get("url"))
    return isinstance(value, str) and value.startswith("file:")


def _run(*command: str | Path, cwd: Path = ROOT) -> None:
    subprocess.run([*command], cwd=cwd, check=True)


if __name__ == "__main__":
    main()
