"""What users import from: all else is internal."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

_SCHEMES = Path(__file__).parents[2] / "fieldcrypt" / "schemes"

CORE_DOORS = [
    *(
        "fieldcrypt",
        "fieldcrypt.migration",
        "fieldcrypt.normalisers",
        "fieldcrypt.scrubbing",
        "fieldcrypt.search",
        "fieldcrypt.settings",
        "fieldcrypt.testing",
        "fieldcrypt.keys.aws_kms",
    ),
    *("fieldcrypt.schemes", *(f"fieldcrypt.schemes.{path.stem}" for path in _SCHEMES.glob("[a-z]*.py"))),
    *("fieldcrypt.columns.arrow", "fieldcrypt.columns.pandas", "fieldcrypt.columns.polars"),
    *("fieldcrypt.spi", "fieldcrypt.spi.migration", "fieldcrypt.spi.columns", "fieldcrypt.spi.aws"),
]
FRONT_DOORS = [
    *CORE_DOORS,
    *("fieldcrypt_sqlalchemy", "fieldcrypt_sqlalchemy.migration", "fieldcrypt_sqlmodel", "fieldcrypt_pydantic"),
    *("fieldcrypt_dynamodb", "fieldcrypt_dynamodb.migration", "fieldcrypt_dynamodb.encryption_client"),
    *("fieldcrypt_pynamodb", "fieldcrypt_pynamodb.migration", "fieldcrypt_spark", "fieldcrypt_opentelemetry"),
]


def exported(door: str) -> set[str]:
    """What a module lists in __all__."""
    return set(importlib.import_module(door).__all__)


def imports(program: Path | str) -> Iterator[str]:
    """Every name that a program imports, wherever in it: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(program.read_text() if isinstance(program, Path) else program)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{program} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def past_the_doors(program: Path | str, doors: list[str]) -> list[str]:
    """What a program imports of fieldcrypt that none of these doors exports."""
    names = [name for name in imports(program) if name.split(".")[0].startswith("fieldcrypt")]
    split = [(name, *name.rpartition(".")[::2]) for name in names if name not in doors]
    return [name for name, door, last in split if door not in doors or last not in exported(door)]
