"""Install what fieldcrypt is compared with, and go on without what cannot be had here.

    python -m benchmarks.install_peers

All together is one run of pip, as fast as it gets. If that fails, they are tried one by one, and the reasons are kept
beside this environment for the report.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

__all__ = ["reasons"]

_ROOT = Path(__file__).parent.parent
_REASONS = Path(sys.prefix) / "not-installed.json"
_BASE = [*("-m", "pip", "install", "--quiet"), "--editable", f"{_ROOT}[all,demo]"]


def reasons() -> dict[str, str]:
    """Return why requirements could not be installed into this environment, by requirement."""
    found: dict[str, str] = json.loads(_REASONS.read_text()) if _REASONS.exists() else {}
    return found


def main() -> None:
    groups = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    peers = [requirement for requirement in groups["bench"] if isinstance(requirement, str)]
    _REASONS.unlink(missing_ok=True)
    if _pip("--group", f"{_ROOT / 'pyproject.toml'}:bench") is None:
        return
    said = _pip("--group", f"{_ROOT / 'pyproject.toml'}:dev")
    if said is not None:
        sys.exit(said)
    failed = {peer: said for peer in peers if (said := _pip(peer)) is not None}
    _REASONS.write_text(json.dumps(failed, indent=2))
    for peer, said in failed.items():
        print(f"not installed: {peer}: {said}")


def _pip(*what: str) -> str | None:
    """Install something beside fieldcrypt, whose versions stay what they are; return pip's last word if it fails."""
    done = subprocess.run([sys.executable, *_BASE, *what], capture_output=True, text=True)  # noqa: S603 (ourselves)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (errors or done.stderr.splitlines() or ["pip failed"])[-1].removeprefix("ERROR: ")


if __name__ == "__main__":
    main()
