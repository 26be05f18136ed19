"""What is public can be imported from a front door, and whoever reads the docs needs nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from fieldcrypt import spi
from tests.support.front_doors import CORE_DOORS, FRONT_DOORS, exported, past_the_doors

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))

# What cannot be imported here; of columns, whose types are those of pandas and polars.
WALKED = [door for door in FRONT_DOORS if door != "fieldcrypt_spark" and not door.startswith("fieldcrypt.columns.")]
# Spelled as public, for other modules of its own package.
INTERNAL = {"Encrypted.tagger"}


def public() -> dict[str, Any]:
    """All that front doors export, by name."""
    return {
        f"{door}.{name}": getattr(importlib.import_module(door), name) for door in WALKED for name in exported(door)
    }


def functions(name: str, thing: Any) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions that users of something call: itself, or its constructor, methods and properties."""
    if isinstance(thing, FunctionType):
        yield name, thing
    if not isinstance(thing, type):
        return
    made_elsewhere = "Made by " in (thing.__doc__ or "")
    for member in dir(thing):
        function = inspect.getattr_static(thing, member)
        if isinstance(function, property):
            function = function.fget
        function = inspect.unwrap(getattr(function, "__func__", function))
        is_public = not member.startswith("_") or (member == "__init__" and not made_elsewhere)
        if is_public and isinstance(function, FunctionType) and function.__module__.startswith("fieldcrypt"):
            yield f"{thing.__name__}.{member}", function


def names_in(module: str) -> dict[str, Any]:
    """The names that the annotations of a module may use, those for type checkers alone included."""
    names = dict(vars(sys.modules[module]))
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module is not None:
                    imported = importlib.import_module(statement.module)
                    names |= {alias.asname or alias.name: getattr(imported, alias.name) for alias in statement.names}
    return names


def classes(annotation: Any) -> Iterator[type]:
    """Yield the classes in an annotation."""
    if isinstance(annotation, type):
        yield typing.get_origin(annotation) or annotation
    for part in annotation if isinstance(annotation, list) else typing.get_args(annotation):
        yield from classes(part)


def test_what_methods_take_and_return_can_be_imported() -> None:
    """Whoever annotates a variable of their own finds its class at a front door."""
    exports = public()
    known = {id(thing) for thing in exports.values()}
    missing = set()
    for name, thing in exports.items():
        for where, function in functions(name, thing):
            for annotation in typing.get_type_hints(function, names_in(function.__module__)).values():
                for kind in classes(annotation):
                    ours = kind.__module__.startswith("fieldcrypt") and not kind.__name__.startswith("_")
                    if ours and id(kind) not in known and where not in INTERNAL:
                        missing.add(f"{where}: {kind.__module__}.{kind.__name__}")
    assert len(exports) > 150
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_use_front_doors_alone(page: Path) -> None:
    """What they import stays where it is."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    if page.name == "spark.md":
        pytest.skip("it needs PySpark")
    assert not [name for block in blocks for name in past_the_doors(block, FRONT_DOORS)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_use_front_doors_alone(example: Path) -> None:
    """They are what people copy."""
    if example.parent.name == "spark_report":
        pytest.skip("it needs PySpark")
    assert not past_the_doors(example, FRONT_DOORS)


@pytest.mark.parametrize(
    ("door", "old", "new"),
    [
        ("fieldcrypt.migration", "FormerField", "PreviousField"),
        ("fieldcrypt.migration", "Accepted", "fieldcrypt.spi.Accepted"),
        ("fieldcrypt.schemes", "OldReader", "LegacyReader"),
    ],
)
def test_an_import_of_a_name_of_0_1_says_the_new_one(door: str, old: str, new: str) -> None:
    """As Python would only say that there is no such name."""
    with pytest.raises(ImportError, match=f"{door}.{old} has the name {new} since 0.2"):
        exec(f"from {door} import {old}")  # noqa: S102
    assert not hasattr(importlib.import_module(door), "nothing_like_it")


def test_the_text_form_is_found_where_a_page_of_0_1_imports_it() -> None:
    """Programs that read columns of text with the core alone go on."""
    namespace: dict[str, Any] = {}
    exec("from fieldcrypt import text_form", namespace)  # noqa: S102 (type checkers know the new place alone)
    assert namespace["text_form"] is spi.text_form


def test_names_that_are_loaded_later_are_offered_at_once() -> None:
    """By completion in a shell, and by help()."""
    program = "import fieldcrypt; print(sorted(set(fieldcrypt.__all__) - set(dir(fieldcrypt))))"
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_readme_names_every_front_door_of_the_core() -> None:
    """What it does not name, it says is internal."""
    said = (ROOT / "README.md").read_text().partition("What is public is")[2].partition("All else")[0]
    patterns = re.findall(r"`(fieldcrypt[\w.*]*)`", said)
    assert not [door for door in CORE_DOORS if not any(fnmatch(door, pattern) for pattern in patterns)]
