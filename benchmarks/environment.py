"""What figures depend on: the machine, the versions of what was measured, and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fieldcrypt.backends import backend

__all__ = ["environment"]

# What takes part in every measure, or in some of them; those that are not installed are left out.
PACKAGES = (
    "fieldcrypt",
    "cryptography",
    "sqlalchemy",
    "psycopg",
    "boto3",
    "pynamodb",
    "moto",
    "aws-encryption-sdk",
    "dynamodb-encryption-sdk",
    "asherah",
    "tink",
    "sqlalchemy-utils",
    "pymongo",
    "pymongocrypt",
)
_ROOT = Path(__file__).parent.parent


def environment(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return what a reader needs to judge figures, and to measure them again.

    Args:
        packages: distributions whose versions count.
    """
    found = {
        "processor": _processor(),
        "cores": str(_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "commit": _commit(),
        "backend": backend(),
    }
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cores() -> int:
    """How many cores this process may use, where that can be told."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if sys.platform == "linux" and cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _commit() -> str:
    """The commit that is checked out, and whether files were changed since."""
    git = ["git", "-C", str(_ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + (" and changes" if changed.stdout else "")
