"""The metadata of the distribution as pyproject.toml declares it: an editable installation keeps what it once was."""

from __future__ import annotations

import tomllib
from pathlib import Path

from fieldcrypt import __version__

__all__ = ["declared_metadata"]

_ROOT = Path(__file__).parents[2]


def declared_metadata(directory: Path) -> Path:
    """Write it into a directory, which is to come first in sys.path, and return the directory."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = directory / f"fieldcrypt-{__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fieldcrypt\nVersion: {__version__}\n")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{k} = {v}" for k, v in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return directory
