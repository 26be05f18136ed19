"""The hot path: `Field.encrypt` and `Field.decrypt` beside AES-256-GCM alone.

    python -m benchmarks.field [--quick] [--json FILE]

The floor is what no field encryption can do without: 12 random bytes and one `AESGCM.encrypt` for a value that is
written, one `AESGCM.decrypt` for a value that is read, both with the same additional data and a cached AESGCM object.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import measure
from fieldcrypt import Encryptor, Field, LocalKeyProvider, MemoryKeyStore

SIZES = (16, 64, 1024, 65_536, 1_048_576)
LIMITS = {"encrypt": 1.5, "decrypt": 2.0}  # for a text of 64 characters, in the stored form
_AAD = b"x" * 54  # as long as the additional data of the fields below

_IMPORT = """
import sys, time
import cryptography.hazmat.primitives.ciphers.aead, cryptography.hazmat.primitives.kdf.hkdf
start = time.perf_counter()
import fieldcrypt
print(time.perf_counter() - start)
sys.exit("boto3" in sys.modules or "sqlalchemy" in sys.modules)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.field", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds a size, instead of ten")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()

    console = Console()
    stored = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("benchmark.text", str)
    alone = Encryptor(LocalKeyProvider.generate()).field("benchmark.text", str)
    seconds = 3.0 if arguments.quick else 10.0
    rows = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(SIZES))
        for size in SIZES:
            progress.update(task, description=f"measuring {size:,} bytes")
            rows.append(_measure(size, stored, alone, seconds))
            progress.advance(task)
    startup = _import_milliseconds()

    console.print("A str of so many bytes, beside AES-256-GCM alone (12 random bytes and one call).")
    console.print(_table(rows, "stored", "", "bytes_added"))
    console.print(_table(rows, "self-contained", "self-contained ", "self_contained_bytes_added"))
    console.print(f"import fieldcrypt: {startup:.0f} ms beyond cryptography's own import")
    for name, value in measure.environment().items():
        console.print(f"[dim]{name}: {value}[/]")
    if arguments.json:
        measure.write_json(arguments.json, {"sizes": rows, "import_ms": startup, "limits_at_64": LIMITS})


def _measure(size: int, stored: Field[str], alone: Field[str], seconds: float) -> dict[str, Any]:
    text = "x" * size
    raw = text.encode()
    aesgcm = AESGCM(os.urandom(32))
    seal, unseal, random_bytes = aesgcm.encrypt, aesgcm.decrypt, os.urandom
    nonce = random_bytes(12)
    sealed = seal(nonce, raw, _AAD)
    in_store, by_itself = stored.encrypt(text), alone.encrypt(text)
    contestants: dict[str, Callable[[], object]] = {
        "floor encrypt": lambda: seal(random_bytes(12), raw, _AAD),
        "floor decrypt": lambda: unseal(nonce, sealed, _AAD),
        "encrypt": lambda: stored.encrypt(text),
        "decrypt": lambda: stored.decrypt(in_store),
        "self-contained encrypt": lambda: alone.encrypt(text),
        "self-contained decrypt": lambda: alone.decrypt(by_itself),
    }
    results = measure.run(contestants, seconds)
    row: dict[str, Any] = {
        "size": size,
        "bytes_added": len(in_store) - size,
        "self_contained_bytes_added": len(by_itself) - size,
    }
    for name, result in results.items():
        row[f"{name} us"] = result.median
        if not name.startswith("floor"):
            floor = results[f"floor {name.rpartition(' ')[2]}"]
            row[f"{name} ratio"] = result.ratio(floor)
            row[f"{name} quartiles"] = result.spread(floor)
    return row


def _table(rows: list[dict[str, Any]], title: str, form: str, added: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("bytes", "encrypt us", "x floor", "decrypt us", "x floor", "added"):
        table.add_column(column, justify="right")
    for row in rows:
        cells = [f"{row['size']:,}"]
        for verb in ("encrypt", "decrypt"):
            cells += [f"{row[f'{form}{verb} us']:,.2f}", f"{row[f'{form}{verb} ratio']:.2f}"]
        table.add_row(*cells, str(row[added]))
    return table


def _import_milliseconds() -> float:
    times = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(9):
        done = subprocess.run(  # noqa: S603 (ourselves)
            [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, env=environment
        )
        times.append(float(done.stdout))
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
