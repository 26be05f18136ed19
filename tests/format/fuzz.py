"""Fuzzes all decoders with atheris, which looks for inputs that take new branches: `make fuzz`.

Fails on an exception that is not documented, on a disagreement with the independent check, and on an input of up to
64 KiB that takes more than 50 ms of CPU, the best of three. The times that count are taken afterwards, in a process
that atheris has not slowed down.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 600
# The modules whose branches are counted, which takes ten times as long as to go through them.
DECODERS = (
    *(f"fieldcrypt.{name}" for name in ("format", "cbor", "codecs", "scalars", "envelope", "text_form", "_reader")),
    *(
        "fieldcrypt.schemes",
        "fieldcrypt.keys.record",
        "fieldcrypt.keys.record.tombstone",
        "fieldcrypt_dynamodb.item.values",
    ),
    *("fieldcrypt_sqlalchemy.column", "fieldcrypt_sqlalchemy.value.conversion"),
)
MOST = 64 * 1024  # bytes of an input
SHORT, SHARE = 2048, 0.9  # of most inputs, and their share of the time


def fuzz(directory: Path, seconds: int, longest: int) -> None:
    """Fuzz for so long with inputs of so many bytes at most; does not return."""
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    modules = {
        ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        for top in (ROOT, ROOT / "integrations")
        for path in top.glob("fieldcrypt*/**/*.py")
    }
    others = [module for module in modules if not module.startswith(DECODERS)]
    packages = {module.partition(".")[0] for module in modules}
    with atheris.instrument_imports(include=list(packages), exclude=others):
        from tests.format.fuzzing import Fuzzer

        fuzzer = Fuzzer()
    gc.freeze()  # what is there stays
    logging.disable()  # every second input is a refusal, whose log line takes longer than the decoder
    corpus, slow, slowest = directory / "corpus", directory / "slow", 0.0

    def one(data: bytes) -> None:
        nonlocal slowest
        seconds = fuzzer.one(data)
        if seconds > 1.1 * slowest and len(data) <= MOST:
            slowest = seconds
            (slow / f"{os.getpid()}-{seconds:.4f}").write_bytes(data)

    options = [f"-max_total_time={seconds}", f"-max_len={longest}", "-rss_limit_mb=2048", "-timeout=60", "-verbosity=0"]
    options += ["-reload=10"]  # seconds until one looks for what the others have found, among thousands of files
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", f"-artifact_prefix={directory}/", str(corpus)], one)
    atheris.Fuzz()


def main(seconds: int = SECONDS) -> int:
    """Fuzz in processes of their own, one for each processor, and time their slowest inputs in another one."""
    from tests.format.fuzzing import Fuzzer  # not above: in the other processes atheris has to see what it imports

    directory = Path(tempfile.mkdtemp(prefix="fieldcrypt-fuzz-"))
    for name in ("corpus", "slow"):
        (directory / name).mkdir()
    for number, seed in enumerate(Fuzzer().seeds()):
        (directory / "corpus" / f"seed-{number}").write_bytes(seed)
    short = int(seconds * SHARE)
    failed = _fuzz_all(directory, short, SHORT) or _fuzz_all(directory, seconds - short, MOST)
    logs = "".join(path.read_text(errors="replace") for path in directory.glob("*.log"))
    inputs = sum(map(int, re.findall(r"executed_units: +([0-9]+)", logs)))
    print(f"{inputs:,} inputs in {os.times().children_user:.0f} s of CPU; new ones are kept in {directory}")
    timing = "import sys; from tests.format.fuzzing import main; main(sys.argv[1:])"
    slow = [str(path) for path in (directory / "slow").iterdir()]
    return subprocess.run([sys.executable, "-c", timing, *slow], check=False).returncode or int(failed)


def _fuzz_all(directory: Path, seconds: int, longest: int) -> bool:
    logs = [directory / f"{longest}-{number}.log" for number in range(os.cpu_count() or 1)]
    run = [sys.executable, "-m", "tests.format.fuzz", str(directory), str(seconds), str(longest)]
    fuzzers = []
    for log in logs:
        with log.open("wb") as file:
            fuzzers.append(subprocess.Popen(run, stdout=file, stderr=file))
    failed = [log for log, fuzzer in zip(logs, fuzzers, strict=True) if fuzzer.wait()]
    for log in failed:
        print(f"{log}:", *log.read_text(errors="replace").splitlines()[-40:], sep="\n")
    return bool(failed)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        fuzz(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main(*map(int, sys.argv[1:])))
