"""The licences of what is linked into the native core go with it; make native-check looks closer, with cargo."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "native"


def named() -> set[tuple[str, str]]:
    collected = (NATIVE / "THIRD-PARTY-LICENSES").read_text(encoding="utf-8")
    return set(re.findall(r"^(\S+) (\d\S*): ", collected, re.MULTILINE))


def test_the_texts_are_of_the_versions_that_are_linked() -> None:
    """After cargo update they have to be collected again."""
    lock = tomllib.loads((NATIVE / "Cargo.lock").read_text(encoding="utf-8"))
    assert named() <= {(package["name"], package["version"]) for package in lock["package"]}


def test_every_direct_dependency_is_named() -> None:
    """So a new one cannot be forgotten."""
    manifest = tomllib.loads((NATIVE / "Cargo.toml").read_text(encoding="utf-8"))
    assert set(manifest["dependencies"]) <= {name for name, _ in named()}


def test_wheels_and_the_source_distribution_bring_them() -> None:
    """maturin packs what license-files names."""
    project = tomllib.loads((NATIVE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "THIRD-PARTY-LICENSES" in project["license-files"]
