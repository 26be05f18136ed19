"""Makes reStructuredText of our docstrings: Google's sections in our own habits, code in single backticks.

`first, second: what they are` describes several arguments at once, a line in a section that names nothing adds to it,
an indented paragraph is an example, and a page that is named, as docs/guides/fields.md, is a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from front_doors import public_names
from page_links import address
from sphinx.application import Sphinx

SECTIONS = {
    "Args": "Parameters",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}
_CODE = re.compile(r"``[^`]+``|`([^`]+)`")
_PAGE = re.compile(r"(?<![\w/])(docs/[\w/-]+\.md|(?:SPEC|SECURITY|CONTRIBUTING)(?:\.md)?)(?!\w)")
_EMPHASIS = re.compile(r"((?<![\w*])\*\w[^*\n]*\w\*(?![\w*]))")
_NAMES = re.compile(r"(\*{0,2}\w[\w.]*(?:, \*{0,2}\w[\w.]*)*): (.*)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Convert every docstring, and leave out the arguments of what only fieldcrypt makes."""
    app.connect("autodoc-process-docstring", _convert)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}


def _convert(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = converted(lines, name)


def _signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    return ("", None) if what == "class" and "Made by " in (thing.__doc__ or "") else None


def converted(lines: list[str], where: str) -> list[str]:
    """Return the docstring of something, or of a member of it, as lines of reStructuredText."""
    made: list[str] = []
    for title, body in sections(lines):
        if title is None:
            made += list(_text(body, where))
            continue
        made += [f":{SECTIONS[title]}:"]
        parts = list(_entries(body))
        for entry in parts:
            match = _NAMES.fullmatch(entry) if title not in ("Returns", "Yields") else None
            names = [f"**{_plain(each)}**" for each in match[1].split(", ")] if match else []
            if title == "Raises" and match:
                names = [_inline(f"`{each}`", where) for each in match[1].split(", ")]
            said = f"{', '.join(names)} – {_inline(match[2], where)}" if match else _inline(entry, where)
            made += [f"   {'* ' if len(parts) > 1 or match else ''}{said}"]
        made += [""]
    return made


def sections(lines: list[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Yield the sections of a docstring with their titles, and what stands outside of them without one."""
    title: str | None = None
    body: list[str] = []
    for line in [*lines, "End"]:
        named = re.fullmatch(rf"({'|'.join(SECTIONS)}):", line)
        if named or line == "End" or (title and line and not line.startswith(" ")):
            yield title, body
            title, body = (named[1] if named else None), ([] if named else [line])
        else:
            body.append(line)


def _entries(body: list[str]) -> Iterator[str]:
    """Yield the entries of a section, each in one line."""
    entry: list[str] = []
    for line in [*filter(None, body), "    "]:
        if entry and not line.startswith("     "):
            yield " ".join(entry)
            entry = []
        entry.append(line.strip())


def _text(body: list[str], where: str) -> Iterator[str]:
    """Yield text; of its paragraphs those that are indented are examples."""
    for paragraph in re.split(r"\n(?: *\n)+", "\n".join(body)):
        if paragraph.startswith("    "):
            yield from (".. code-block:: python", "   :force:", "", *paragraph.splitlines(), "")
        else:
            yield from (*_inline(paragraph, where).splitlines(), "")


def _inline(text: str, where: str) -> str:
    """Return text with code, links to what is public, and links to pages."""
    made, end = "", 0
    for code in _CODE.finditer(text):
        made += _linked(text[end : code.start()]) + _code(code[1] or code[0].strip("`"), where)
        end = code.end()
    return made + _linked(text[end:])


def _code(text: str, where: str) -> str:
    """Return code, with a link to what it names: something public, or a member of what is described."""
    known = public_names()
    name = text.removesuffix("()")
    owner = known.get(where) or known.get(where.rpartition(".")[0], "")
    target = known.get(f"{owner.rpartition('.')[2]}.{name}") or known.get(name)
    words = " ".join(text.split())
    return f":py:obj:`{words} <{target}>`" if target else f"``{words}``"


def _linked(text: str) -> str:
    def link(match: re.Match[str]) -> str:
        name = match[1] if match[1].endswith(".md") else f"{match[1]}.md"
        return f":doc:`{match[1]} <{address(name).removesuffix('.md')}>`"

    parts = _PAGE.split(text)
    parts[::2] = [_plain(part) for part in parts[::2]]
    return "".join(link(_PAGE.match(part)) if at % 2 else part for at, part in enumerate(parts))  # type: ignore[arg-type]


def _plain(text: str) -> str:
    """Return text in which nothing but *emphasis* means anything."""
    parts = _EMPHASIS.split(text)
    parts[::2] = [re.sub(r"[*_|\\]", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)
