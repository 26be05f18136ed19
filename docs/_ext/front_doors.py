"""`.. front-door:: MODULE` documents all that a module exports, in the order and the groups of its `__all__`."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

from constants import described
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
_EXPORTS = re.compile(r"^__all__ = \[\n(.*?)^\]", re.DOTALL | re.MULTILINE)
# Spelled as public, for their own package or for the library that calls them, and of no use to anyone else.
_INTERNAL = {
    *("tagger", "comparator_factory", "bind_processor", "literal_processor", "result_processor", "load_dialect_impl"),
    *("compare_values", "sort_key_function", "coercion_listener"),
    *("serialize", "deserialize", "get_value"),  # which PynamoDB calls
}
_PAGES = Path(__file__).parents[1] / "reference" / "api"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive; inherited members are shown if they are ours, and Python's own classes are no links."""
    app.add_directive("front-door", FrontDoor)
    app.connect("builder-inited", _import)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-bases", _bases)
    app.connect("doctree-read", _unlink_builtins)
    return {"parallel_read_safe": True}


def _import(app: Sphinx) -> None:
    """Import all doors once, with stand-ins for what need not be installed to write documentation."""
    with mock(app.config.autodoc_mock_imports):
        for door in doors():
            module = importlib.import_module(door)
            for name in module.__all__:
                getattr(module, name)  # which may be imported only now


@cache
def doors() -> list[str]:
    """Return the front doors that the pages of the reference show, in their order."""
    found = [re.findall(r"^\.\. front-door:: (\S+)$", page.read_text(), re.MULTILINE) for page in _pages()]
    return [door for page in found for door in page]


def _pages() -> list[Path]:
    listed = re.findall(r"^api/([\w-]+)$", (_PAGES.parent / "index.md").read_text(), re.MULTILINE)
    return [_PAGES / f"{name}.md" for name in listed]


@cache
def homes() -> dict[int, str]:
    """Return where each class and function is documented, by its identity: at the first door that exports it."""
    found: dict[int, str] = {}
    for door in doors():
        module = importlib.import_module(door)
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type) or inspect.isfunction(inspect.unwrap(thing)):
                found.setdefault(id(thing), f"{door}.{name}")
    return found


@cache
def public_names() -> dict[str, str]:
    """Return the full names of what is exported, by what a docstring calls it: `Encryptor`, `Encryptor.field`."""
    found: dict[str, str] = {}
    for door in doors():
        module = importlib.import_module(door)
        for name in module.__all__:
            found.setdefault(name, homes().get(id(getattr(module, name)), f"{door}.{name}"))
    for full in homes().values():
        door, _, name = full.rpartition(".")
        thing = getattr(importlib.import_module(door), name)
        found[full] = found[name] = full
        for member in dir(thing) if isinstance(thing, type) else ():
            if not member.startswith("_") and member not in _INTERNAL and _documented(thing, member):
                found.setdefault(f"{name}.{member}", f"{full}.{member}")
    return found


def _documented(thing: type, member: str) -> bool:
    attribute = inspect.getattr_static(thing, member)
    attribute = getattr(attribute, "__func__", getattr(attribute, "fget", attribute))
    return inspect.isfunction(attribute) and bool(attribute.__doc__) and attribute.__module__.startswith("fieldcrypt")


class FrontDoor(SphinxDirective):
    """Writes what autodoc reads."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the documentation of one module."""
        door = self.arguments[0]
        module = importlib.import_module(door)
        lines = [f".. py:module:: {door}", ""]
        for group, names in _groups(module):
            lines += [f".. rubric:: {group[0].upper()}{group[1:]}", ""] if group else []
            for name in names:
                lines += _entry(door, name, getattr(module, name))
        return self.parse_text_to_nodes(StringList(lines, source=module.__file__ or door))


def _groups(module: Any) -> list[tuple[str, list[str]]]:
    """Return the names of `__all__` by the comments between them."""
    written = _EXPORTS.search(inspect.getsource(module))
    groups: list[tuple[str, list[str]]] = [("", [])]
    for line in written[1].splitlines() if written else []:
        comment, name = re.match(r"    # (.*)", line), re.match(r'    "(\w+)",', line)
        if comment:
            groups.append((comment[1], []))
        elif name:
            groups[-1][1].append(name[1])
    listed = [name for _, names in groups for name in names]
    if sorted(listed) != sorted(module.__all__):
        return [("", list(module.__all__))]
    return [(group, names) for group, names in groups if names]


def _entry(door: str, name: str, thing: Any) -> list[str]:
    home = homes().get(id(thing), f"{door}.{name}")
    if home != f"{door}.{name}":
        return [f"``{name}`` is :py:obj:`{home}`.", ""]
    if inspect.ismodule(thing):
        return [f".. autofunction:: {door}::{name}.{each}" for each in _functions(thing)] + [""]
    if inspect.isfunction(inspect.unwrap(thing)):
        return [f".. autofunction:: {home}", ""]
    if not isinstance(thing, type):
        comment, value = described(importlib.import_module(door), name)
        if not comment:
            logger.warning("nothing says what %s is: it needs a comment where it is assigned", home)
        return [f".. py:data:: {name}", *([f"   :value: {value}"] if value else []), "", f"   {comment}", ""]
    kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
    bases = ["   :show-inheritance:"] if any(map(_shown, thing.__bases__)) else []
    return [f".. {kind}:: {home}", "   :members:", "   :inherited-members:", *bases, ""]


def _functions(module: Any) -> list[str]:
    return [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what classes inherit of others, and the fields of tuples, which their docstrings describe."""
    thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
    ours = (getattr(thing, "__module__", None) or "").startswith("fieldcrypt")
    return None if ours and name not in _INTERNAL else True


def _bases(app: Sphinx, name: str, thing: Any, options: Any, bases: list[Any]) -> None:
    bases[:] = [base for base in bases if _shown(base)]


def _unlink_builtins(app: Sphinx, doctree: nodes.document) -> None:
    """Keep Sphinx from taking a class of Python, `type`, for an attribute of the same name, `Field.type`."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "class" and hasattr(builtins, link["reftarget"]):
            link.replace_self(link.children)


def _shown(base: Any) -> bool:
    """Return True if it helps to know that something derives from this: what is public, and errors of Python."""
    return id(base) in homes() or (isinstance(base, type) and issubclass(base, Exception) and base is not Exception)
