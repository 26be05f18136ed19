"""Fetches MariaDB's server for the tests into the virtual environment, from Debian's packages and as any user.

`python -m tests.support.install_mariadb` does nothing if there is one. Otherwise it downloads the package and those
that it needs and this machine does not have, and unpacks them below the environment; nothing is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.mariadb import FETCHED, MISSING, Installation

PACKAGE = "mariadb-server-core"
TOOLS = ("apt-get", "dpkg")


def main() -> None:
    try:
        installation = Installation.found()
    except RuntimeError:
        installation = fetch(FETCHED)
    print(f"MariaDB: {installation.program}")


def fetch(target: Path) -> Installation:
    """Unpack the server and what it needs in a directory that does not exist yet."""
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        sys.exit(f"MariaDB cannot be fetched without {' and '.join(lacking)}; {MISSING}")
    if target.exists():
        sys.exit(f"{target} is in the way, and is no MariaDB that the tests could use")
    # Beside the target, so that it takes its place in one step: what was broken off is never taken for whole.
    with tempfile.TemporaryDirectory(prefix="mariadb-", dir=target.parent) as work:
        try:
            for archive in download(Path(work)):
                run("dpkg", "-x", str(archive), f"{work}/root")
        except subprocess.CalledProcessError as error:
            sys.exit(f"MariaDB cannot be fetched: {error}; {MISSING}")
        installation = Installation.fetched(Path(work) / "root")
        if installation is None:
            sys.exit(f"{PACKAGE} has no mariadbd that the tests could use; {MISSING}")
        (Path(work) / "root").rename(target)
    return Installation.found()


def download(work: Path) -> list[Path]:
    """Download the packages, and return their files. apt's lists are our own: those of the machine may be old."""
    for folder in ("lists/partial", "cache/archives/partial", "packages"):
        (work / folder).mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::State::lists={work}/lists", "-o", f"Dir::Cache={work}/cache"]
    apt += ["-o", "APT::Sandbox::User=", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=2"]
    run(*apt, "update")
    plan = run(*apt, "--simulate", "--no-install-recommends", "install", PACKAGE)
    packages = [name for name in re.findall(r"^Inst (\S+)", plan, re.MULTILINE) if name.startswith(("lib", PACKAGE))]
    run(*apt, "download", *packages, folder=work / "packages")
    return sorted((work / "packages").glob("*.deb"))


def run(*command: str, folder: Path | None = None) -> str:
    """Run a command, and return what it prints; its errors are shown."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    return done.stdout


if __name__ == "__main__":
    main()
