"""Collects the licences of what is linked into the native core, which its wheels and its source distribution bring.

python tests/support/native_licences.py [--check]

With --check nothing is written, and a file that is not up to date is an error. It needs cargo.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NATIVE = Path(__file__).parents[2] / "native"
COLLECTED = NATIVE / "THIRD-PARTY-LICENSES"
PLATFORMS = (
    *("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl"),
    *("aarch64-apple-darwin", "x86_64-apple-darwin"),
)
LINE = "-" * 120

HEAD = """\
What is linked into fieldcrypt-native, beside its own code, and under which licences; their texts follow. AWS-LC comes
with aws-lc-sys, or with aws-lc-fips-sys in a build with the FIPS module.
"""
STANDARD_LIBRARY = "Rust's standard library: MIT OR Apache-2.0"


def main() -> None:
    collected = _collected()
    if sys.argv[1:] != ["--check"]:
        COLLECTED.write_text(collected, encoding="utf-8")
    elif not COLLECTED.exists() or COLLECTED.read_text(encoding="utf-8") != collected:
        sys.exit(f"{COLLECTED.name} is not up to date: python tests/support/native_licences.py writes it")


def _collected() -> str:
    crates = sorted(_linked().values(), key=lambda crate: (crate["name"], crate["version"]))
    named = {f"{crate['name']} {crate['version']}": crate for crate in crates}
    parts = [HEAD, *(f"{name}: {crate['license']}" for name, crate in named.items()), STANDARD_LIBRARY]
    texts: dict[str, tuple[str, list[str]]] = {}  # each once, however its lines are broken
    for name, crate in named.items():
        for file, text in _licences(crate):
            texts.setdefault(" ".join(text.split()), (text, []))[1].append(f"{name}: {file}")
    for text, places in texts.values():
        parts += ["", LINE, *places, LINE, "", *(line.rstrip() for line in text.strip("\n").splitlines())]
    return "\n".join(parts) + "\n"


def _linked() -> dict[str, dict[str, Any]]:
    """Return the crates whose code is in the module: neither what builds it, nor macros, nor what its tests need."""
    linked: dict[str, dict[str, Any]] = {}
    for platform in PLATFORMS:
        cargo = ["cargo", "metadata", "--locked", "--all-features", "--format-version=1", "--filter-platform", platform]
        metadata = json.loads(subprocess.run(cargo, check=True, cwd=NATIVE, stdout=subprocess.PIPE).stdout)
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        seen, found = set(), [metadata["resolve"]["root"]]
        while found:
            crate = found.pop()
            if crate in seen or _is_macro(packages[crate]):
                continue
            seen.add(crate)
            found.extend(dep["pkg"] for dep in nodes[crate]["deps"] if any(not k["kind"] for k in dep["dep_kinds"]))
        linked |= {crate: packages[crate] for crate in seen if packages[crate]["source"]}
    return linked


def _is_macro(package: dict[str, Any]) -> bool:
    return any("proc-macro" in target["kind"] for target in package["targets"])


def _licences(crate: dict[str, Any]) -> Iterator[tuple[str, str]]:
    root = Path(crate["manifest_path"]).parent
    files = sorted(
        (file.relative_to(root).as_posix(), file)
        for file in root.rglob("*")
        if file.name.upper().startswith(("LICENSE", "COPYRIGHT", "NOTICE")) and file.suffix in ("", ".md", ".txt")
    )
    if not files:
        sys.exit(f"{crate['name']} brings no text of its licence")
    for name, file in files:
        yield name, file.read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
