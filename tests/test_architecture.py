"""Imports point one way, and only some modules know of certain libraries."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up. A module imports from its own layer and those below it; the package itself is the facade.
LAYERS = [
    {"fieldcrypt.errors"},
    {"fieldcrypt._system", "fieldcrypt.offload", "fieldcrypt.normalisers"},
    {f"fieldcrypt.{name}" for name in ("_base", "_cache", "_fork_guard", "_originals", "_reader", "_text")},
    {
        f"fieldcrypt.{name}"
        for name in ("events", "format", "cbor", "scalars", "context", "codecs", "envelope", "aead", "text_form")
    },
    {"fieldcrypt.keys"},
    {"fieldcrypt.field", "fieldcrypt.blind_index", "fieldcrypt.tag_plan"},
    {"fieldcrypt.data_keys"},
    {"fieldcrypt.encryptor"},
    {"fieldcrypt.indexed_by"},
    {"fieldcrypt.schemes", "fieldcrypt.columns"},
    {"fieldcrypt.mixed_mode"},
    {"fieldcrypt.migration"},
    {"fieldcrypt"},
    {"fieldcrypt.cli", "fieldcrypt.testing"},
    {"fieldcrypt.__main__"},
]


def modules(directory: Path, *packages: str) -> dict[str, Path]:
    """The modules of packages in a directory, by name."""
    paths = [path for package in packages for path in sorted((directory / package).rglob("*.py"))]
    return {
        ".".join(path.relative_to(directory).with_suffix("").parts).removesuffix(".__init__"): path for path in paths
    }


CORE = modules(ROOT, "fieldcrypt")
INTEGRATIONS = modules(ROOT / "integrations", *(path.name for path in (ROOT / "integrations").glob("fieldcrypt_*")))
TOPS = {name.split(".")[0] for name in INTEGRATIONS}


def imports(path: Path) -> Iterator[str]:
    """Every name that a module imports, wherever in it: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def core_imports(path: Path) -> set[str]:
    """The modules of the core that a module imports."""
    names = {name for name in imports(path) if name.split(".")[0] == "fieldcrypt"}
    return {name if name in CORE else name.rpartition(".")[0] for name in names}


def layer(module: str) -> int:
    """The layer of a module of the core: its own, or that of the package around it."""
    for number, names in enumerate(LAYERS):
        if module in names or any(module.startswith(f"{name}.") for name in names - {"fieldcrypt"}):
            return number
    raise AssertionError(f"{module} has no layer: put it into LAYERS")


@pytest.mark.parametrize("module", CORE)
def test_imports_point_one_way(module: str) -> None:
    """A module of the core imports from its own layer and from lower ones only, and not from integrations."""
    upward = {name for name in core_imports(CORE[module]) if layer(name) > layer(module)}
    assert not upward
    if layer(module) < layer("fieldcrypt.cli"):
        assert not {name for name in imports(CORE[module]) if name.split(".")[0] in TOPS}


def test_there_are_no_cycles() -> None:
    """No module of the core imports itself by way of others; a package and its modules count as different."""
    graph = {module: core_imports(path) - {module} for module, path in CORE.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


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
    assert users == {"fieldcrypt.aead"}


@pytest.mark.parametrize("module", INTEGRATIONS)
def test_integrations_use_the_public_core(module: str) -> None:
    """An integration imports no module or name of the core that begins with an underscore."""
    names = [name for name in imports(INTEGRATIONS[module]) if name.split(".")[0] == "fieldcrypt"]
    assert not [name for name in names if any(part.startswith("_") for part in name.split("."))]


def test_integrations_do_not_know_each_other() -> None:
    """No integration imports another one, but Alembic's plugin that of SQLAlchemy, which Alembic is for."""
    for module, path in INTEGRATIONS.items():
        package = module.split(".")[0]
        own = {package, "fieldcrypt_sqlalchemy"} if package == "fieldcrypt_alembic" else {package}
        assert not {name for name in imports(path) if name.split(".")[0] in TOPS - own}


def test_all_that_is_public_exists() -> None:
    """What a module of the core lists in __all__ is there."""
    for module in CORE:
        if layer(module) < layer("fieldcrypt.cli"):
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


def test_the_core_is_light() -> None:
    """`import fieldcrypt` loads no database or AWS library, nor what of the standard library takes long."""
    heavy = [
        *("dataclasses", "inspect", "logging", "sqlite3", "pathlib"),
        *("boto3", "botocore", "sqlalchemy", "pynamodb", "moto", "typer", "rich", "asyncio", "hypothesis"),
        *("fieldcrypt.schemes", "aws_encryption_sdk", "asherah", "sqlalchemy_utils", "cryptography.fernet"),
        *("fieldcrypt.columns", "pyarrow", "pandas", "polars", "numpy"),
    ]
    program = f"import sys, fieldcrypt; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
