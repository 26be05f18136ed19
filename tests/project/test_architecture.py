"""Imports point one way, and only some modules know of certain libraries."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.front_doors import CORE_DOORS, imports, past_the_doors

ROOT = Path(__file__).parents[2]

# From the bottom up. A module imports from its own layer and those below it. A name is a module, or a room with all
# that is in it; of names that fit, the longest counts. A package itself is its front door.
LAYERS = {
    "fieldcrypt": [
        "tracebacks scrubbing",
        "errors",
        "_system _unicode offload normalisers _moved _version",
        "_base counting.value_stats",
        "events progress format counting.tally counting.value_counts",
        "backends",
        "keys.record",
        "keys.policy keys.rotation",
        "keys.stores keys.providers",
        "keys.aws_kms keys.lookup",
        "keys.live",
        "keys.index",
        "keys.keyring",
        "keys.admin prepared",
        "health",
        "field search",
        "batch native counting",
        "encryptor",
        "settings",
        "schemes",
        "mixed_mode",
        "declaration",
        "leakage",
        "columns",
        "migration",
        "spi",
        "",
        "cli testing",
        "__main__",
    ],
    "fieldcrypt_dynamodb": [
        "errors lazy_client wire_client key_store aio.steps",
        "item",
        "protected_table",
        "expression",
        "request batch_writer",
        "wrapper",
        "meta client stream_record old_items",
        "table",
        "resource",
        "aio narrowed",
        "",
        "migration",
    ],
    "fieldcrypt_pynamodb": [
        "errors",
        "attribute",
        "binding",
        "search",
        "model",
        "",
        "migration",
    ],
    "fieldcrypt_sqlalchemy": [
        "errors offload alembic_version",
        "internals",
        "engine value key_store",
        "column search",
        "alembic find row_key",
        "rows",
        "flush statement",
        "model row_rule",
        "guard",
        "hooks",
        "",
        "migration.errors migration.table",
        "migration.row",
        "migration.journal",
        "migration.schema",
        "migration",
    ],
    "fieldcrypt_alembic": ["kept_tables rendering", "operations", ""],
    "fieldcrypt_pydantic": ["annotation", "hiding paths", "mapping", "model", ""],
    "fieldcrypt_sqlmodel": ["fields", ""],
    "fieldcrypt_opentelemetry": ["attributes", "key_metrics spans value_metrics", "observer", ""],
}


def modules(directory: Path, *packages: str) -> dict[str, Path]:
    """The modules of packages in a directory, by name."""
    paths = [path for package in packages for path in sorted((directory / package).rglob("*.py"))]
    return {
        ".".join(path.relative_to(directory).with_suffix("").parts).removesuffix(".__init__"): path for path in paths
    }


CORE = modules(ROOT, "fieldcrypt")
INTEGRATIONS = modules(ROOT / "integrations", *(path.name for path in (ROOT / "integrations").glob("fieldcrypt_*")))
TOPS = {name.split(".")[0] for name in INTEGRATIONS}


PACKAGES = {package: modules(ROOT if package == "fieldcrypt" else ROOT / "integrations", package) for package in LAYERS}


def imported_modules(path: Path, package: str) -> set[str]:
    """The modules of a package that a module imports."""
    names = {name for name in imports(path) if name.split(".")[0] == package}
    return {name if name in PACKAGES[package] else name.rpartition(".")[0] for name in names}


def layer(module: str) -> int:
    """The layer of a module in its package."""
    package = module.split(".")[0]
    floors = {
        f"{package}.{name}".rstrip("."): number
        for number, names in enumerate(LAYERS[package])
        for name in names.split(" ")
    }
    while module not in floors:
        module, dot, _ = module.rpartition(".")
        assert dot, f"{module} has no layer: put it into LAYERS"
    return floors[module]


NATIVE = ("fieldcrypt.native", "fieldcrypt.backends.native")  # modules that need the native core, which is optional


@pytest.mark.parametrize("module", [module for package in PACKAGES.values() for module in package])
def test_imports_point_one_way(module: str) -> None:
    """A module imports from its own layer and from lower ones only; the core imports nothing from integrations."""
    package = module.split(".")[0]
    path = PACKAGES[package][module]
    below = imported_modules(path, package)
    assert not {name for name in below if layer(name) > layer(module)}
    if package == "fieldcrypt" and layer(module) < layer("fieldcrypt.cli"):
        assert not {name for name in imports(path) if name.split(".")[0] in TOPS}


def test_contributors_are_told_all_rooms_of_the_core_from_the_bottom_up() -> None:
    """In a line of CONTRIBUTING.md."""
    told = re.search(r"^    tracebacks.*\n +<.*", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert told is not None
    names = re.findall(r"\w+", told[0].replace("keys/", ""))
    paths = (f"fieldcrypt.{place}{name}" for name in names for place in ("", "keys."))
    found = [path for path in paths if path in CORE]
    assert [layer(path) for path in found] == sorted(map(layer, found))
    rooms = {name for name, path in CORE.items() if path.name == "__init__.py"}
    assert {name for name in rooms if re.fullmatch(r"fieldcrypt(\.keys)?\.(?!keys)\w+", name)} <= set(found)


@pytest.mark.parametrize("package", LAYERS)
def test_there_are_no_cycles(package: str) -> None:
    """No module imports itself by way of others, for type checkers neither; a package and its modules are different."""
    graph = {module: imported_modules(path, package) - {module} for module, path in PACKAGES[package].items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("package", LAYERS)
def test_a_room_is_small_enough_to_be_seen(package: str) -> None:
    """No room has more than 13 files."""
    rooms = Counter(path.parent for path in PACKAGES[package].values() if path.name != "__init__.py")
    assert not {room.name: files for room, files in rooms.items() if files > 13}


def test_a_room_of_rust_is_small_enough_to_be_seen() -> None:
    """So is each room of the native core."""
    rooms = Counter(path.parent for path in (ROOT / "native/src").rglob("*.rs") if path.name != "mod.rs")
    assert rooms
    assert not {room.name: files for room, files in rooms.items() if files > 13}


def test_one_file_of_rust_is_unsafe() -> None:
    """All unsafe code of the native core is in memory.rs, so that there is one place to review."""
    sources = (ROOT / "native/src").rglob("*.rs")
    assert [path.name for path in sources if "allow(unsafe_code)" in path.read_text(encoding="utf-8")] == ["memory.rs"]


@pytest.mark.parametrize("library", ["boto3", "botocore"])
def test_who_knows_aws(library: str) -> None:
    """In the core only the KMS providers, the command line and the test support import boto3."""
    users = {module for module, path in CORE.items() if library in {name.split(".")[0] for name in imports(path)}}
    allowed = {user for user in users if user.startswith("fieldcrypt.keys.aws_kms.")}
    allowed.add("fieldcrypt.schemes.aws_encryption_sdk")
    assert not {user for user in users - allowed if layer(user) != layer("fieldcrypt.cli")}


def test_who_knows_ciphers() -> None:
    """Only aead.py imports ciphers, so that there is one place to review."""
    everything = {**CORE, **INTEGRATIONS}
    users = {
        module
        for module, path in everything.items()
        if any(name.startswith("cryptography.hazmat.primitives.ciphers") for name in imports(path))
    }
    assert users == {"fieldcrypt.format.aead"}


def test_who_knows_the_native_core() -> None:
    """One module loads it and tries it out; what else imports it is imported after that."""
    everything = {**CORE, **INTEGRATIONS}
    users = {
        module
        for module, path in everything.items()
        if "fieldcrypt_native" in {name.split(".")[0] for name in imports(path)}
    }
    assert {module for module in users if not module.startswith(NATIVE)} == {"fieldcrypt.backends.extension"}


@pytest.mark.parametrize("module", INTEGRATIONS)
def test_integrations_use_the_public_core(module: str) -> None:
    """An integration imports from the core what a front door or `fieldcrypt.spi` exports, and nothing else."""
    assert not [name for name in past_the_doors(INTEGRATIONS[module], CORE_DOORS) if name.startswith("fieldcrypt.")]


def test_integrations_do_not_know_each_other() -> None:
    """No integration imports another one, but for those that are about the other one."""
    of_package = {
        "fieldcrypt_alembic": {"fieldcrypt_sqlalchemy"},
        "fieldcrypt_pynamodb": {"fieldcrypt_dynamodb"},
        "fieldcrypt_sqlmodel": {"fieldcrypt_sqlalchemy"},
    }
    for module, path in INTEGRATIONS.items():
        package = module.split(".")[0]
        known = of_package.get(package, set()) | {package}
        assert not {name for name in imports(path) if name.split(".")[0] in TOPS - known}


def test_all_that_is_public_exists() -> None:
    """What a module of the core lists in __all__ is there."""
    for module in CORE:
        if not module.startswith((*NATIVE, "fieldcrypt.cli", "fieldcrypt.testing", "fieldcrypt.__main__")):
            imported = importlib.import_module(module)
            assert not [name for name in getattr(imported, "__all__", []) if not hasattr(imported, name)]


def test_alembic_s_plugin_is_light() -> None:
    """Alembic imports it everywhere: neither do columns of SQLAlchemy come with it, nor the core."""
    program = "import sys, fieldcrypt_alembic; print([name for name in sys.modules if 'fieldcrypt_sql' in name])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("integration", ["fieldcrypt_sqlalchemy", "fieldcrypt_dynamodb", "fieldcrypt_pynamodb"])
def test_fields_load_nothing_of_migrations(integration: str) -> None:
    """Columns and attributes read old values by mixed mode, which knows of no steps, workers and checkpoints."""
    program = f"import sys, {integration}; print([name for name in sys.modules if '.migration' in name])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_who_uses_boto3_loads_nothing_of_asyncio() -> None:
    """Which takes a tenth of the time that boto3 itself takes, at every cold start of AWS Lambda."""
    program = (
        "import sys, fieldcrypt_dynamodb; print([name for name in ('asyncio', 'aiobotocore') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_core_is_light() -> None:
    """`import fieldcrypt` loads no database or AWS library, nor what of the standard library takes long."""
    heavy = [
        *("dataclasses", "inspect", "logging", "sqlite3", "pathlib"),
        *("boto3", "botocore", "sqlalchemy", "pynamodb", "moto", "typer", "rich", "asyncio", "hypothesis"),
        *("fieldcrypt.schemes", "aws_encryption_sdk", "asherah", "sqlalchemy_utils", "cryptography.fernet"),
        *("fieldcrypt.columns", "pyarrow", "pandas", "polars", "numpy"),
        *("fieldcrypt_native", "fieldcrypt.native"),
    ]
    program = f"import sys, fieldcrypt; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
