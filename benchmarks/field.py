"""The hot path, `Field.encrypt` and `Field.decrypt`, beside AES-256-GCM alone: by size, type, binding and key cache.

The floor is what no field encryption can do without: 12 random bytes and one `AESGCM.encrypt` for a value that is
written, one `AESGCM.decrypt` for a value that is read, both with additional data and a cached AESGCM object.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from datetime import date

from benchmarks import field_workload as workload
from benchmarks.compare import VERBS, Line, compare, microseconds
from benchmarks.field_report import FORMS, SIZES, charts, tables
from benchmarks.section import Benchmark, Options, Section

__all__ = ["BENCHMARK"]

FLOOR = "floor"

_IMPORT = """
import sys, time
import cryptography.hazmat.primitives.ciphers.aead, cryptography.hazmat.primitives.kdf.hkdf
start = time.perf_counter()
import fieldcrypt
print(time.perf_counter() - start)
sys.exit("boto3" in sys.modules or "sqlalchemy" in sys.modules)
"""


def run(options: Options) -> Section:
    """Measure all."""
    unit = 0.8 if options.quick else 9.0  # seconds for a group of contestants
    total = len(SIZES) + 5.5

    options.advance(0, "a text of 16 B")
    sizes, added = {}, {}
    for size, title in SIZES.items():
        work, added[size] = workload.of_size(size)
        sizes[size] = compare(work, FLOOR, unit)
        options.advance(1 / total, f"a text of {title} is done")
    types = compare(workload.of_types(), FLOOR, unit * 1.5)
    options.advance(1.5 / total, "what a value is bound to")
    bindings = compare(workload.bindings(), FLOOR, unit)
    options.advance(1 / total, "the fields of a record")
    records = compare(workload.records(), FLOOR, unit)
    options.advance(1 / total, "keys that are not at hand")
    keys = compare(workload.keys_at_hand(), "prepared", unit)
    options.advance(1 / total, "import fieldcrypt")
    startup = import_milliseconds(3 if options.quick else 9)
    options.advance(1 / total, "")

    text = sizes[64]["stored"]
    return Section(
        name="field",
        title="A field: encrypt and decrypt",
        summary=(
            f"A text of 64 bytes takes {text.ratio('encrypt'):.1f} times as long to encrypt as the bare cipher, and "
            f"{text.ratio('decrypt'):.1f} times as long to decrypt "
            f"({microseconds(text.results['encrypt'].median)} and {microseconds(text.results['decrypt'].median)} µs), "
            f"and becomes {added[64]['stored']} bytes longer."
        ),
        meaning=(
            "The floor is what no field encryption can do without: 12 random bytes and one AES-256-GCM to write a "
            "value, one AES-256-GCM to read it, with a cached cipher object and additional data of the same length. "
            "All else is what fieldcrypt does for a value: see that its data key may still be used, encode it with its "
            "type, bind it to its place, and put together what is stored.",
            "x floor is how many times as long that takes, the median over rounds in each of which all contestants "
            "took their turn in random order; the quartiles of it show how noisy the machine was. Ratios carry over to "
            "other machines, microseconds do not. Keys are wrapped by a local key, so no time of a key service is in "
            "here.",
        ),
        tables=tables(sizes, added, types, bindings, records, keys, startup),
        charts=charts(sizes, types, bindings),
        figures={
            "sizes": [
                {"size": size, "form": form, "bytes_added": added[size][form], **lines[form].figures()}
                for size, lines in sizes.items()
                for form in FORMS
            ],
            "types": {name: line.figures() for name, line in types.items()},
            "bindings": {name: line.figures() for name, line in bindings.items()},
            "records": {name: line.figures() for name, line in records.items()},
            "keys": {name: line.figures() for name, line in keys.items()},
            "import_ms": startup,
        },
        ratios=_ratios(sizes, types, bindings, records),
    )


def check() -> dict[str, float]:
    """Measure what is limited."""
    types = (str, bytes, int, date)
    some = {name: line for name, line in workload.bindings().items() if name in (FLOOR, "field, tenant and row")}
    return _ratios(
        {size: compare(workload.of_size(size)[0], FLOOR, 2.5) for size in (64, 1024, 1_048_576)},
        compare(workload.of_types(*types), FLOOR, 3.0),
        compare(some, FLOOR, 2.0),
        compare(workload.records(), FLOOR, 2.0),
    )


def _ratios(sizes: Mapping[int, Mapping[str, Line]], *others: Mapping[str, Line]) -> dict[str, float]:
    named = {f"{SIZES[size]}, {form}": lines[form] for size, lines in sizes.items() for form in FORMS}
    named |= {name: line for lines in others for name, line in lines.items() if name != FLOOR}
    return {f"{verb}, {name}": line.ratio(verb) for name, line in named.items() for verb in VERBS}


def import_milliseconds(times: int) -> float:
    """Return how long `import fieldcrypt` takes beyond the import of cryptography."""
    taken = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(times):
        done = subprocess.run(  # noqa: S603 (ourselves)
            [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, env=environment
        )
        taken.append(float(done.stdout))
    return statistics.median(taken) * 1000


BENCHMARK = Benchmark("field", "A field: encrypt and decrypt", run, seconds=(91, 10), check=check)
