"""Makes the links of the repository those of the site.

A page of docs/ links to files, as GitHub shows them. Those at the top of the repository have a page of the site that
includes them, so that there is one text of each; all other files stand in the repository. A page that is named without
a link, as docs/guides/fields.md, gets one. A link whose text is the name of a file shows the title of its page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

REPOSITORY = "https://github.com/fieldcrypt/fieldcrypt/blob/main/"
INCLUDED = {
    "README.md": "docs/index.md",
    "SPEC.md": "docs/reference/specification.md",
    "SECURITY.md": "docs/security/security-policy.md",
    "CHANGELOG.md": "docs/changes.md",
    "CONTRIBUTING.md": "docs/contribute.md",
}
_CODE = re.compile(r"(^ *```.*?^ *```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
_FILE = re.compile(r"[\w/-]+\.md|SPEC|SECURITY|CONTRIBUTING")
_NAMED = re.compile(r"(?<![\w/\[(])(docs/[\w/-]+\.md|(?:SPEC|SECURITY|CONTRIBUTING)\.md)(?![\w\])])")


def setup(app: Sphinx) -> dict[str, Any]:
    """Rewrite pages and what they include before they are parsed."""
    app.connect("source-read", _read)
    app.connect("include-read", _include)
    app.connect("doctree-resolved", _name_pages)
    return {"parallel_read_safe": True}


def _read(app: Sphinx, page: str, content: list[str]) -> None:
    content[0] = rewritten(content[0], f"docs/{page}.md", _exists(app))


def _include(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    source = (Path(app.srcdir) / path).resolve().relative_to(_root(app)).as_posix()
    content[0] = rewritten(content[0], source, _exists(app))


def _name_pages(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Show readers of the site the titles of pages, where those of the repository see the names of files."""
    for link in doctree.findall(nodes.reference):
        file = link.get("refuri", "").partition("#")[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), file)).removesuffix(".html")
        if link.get("internal") and _FILE.fullmatch(link.astext()) and target in app.env.titles:
            title = app.env.titles[target].astext().partition(":")[0]
            link[:] = [nodes.inline("", title, classes=["doc"])]


def _root(app: Sphinx) -> Path:
    return Path(app.srcdir).resolve().parent


def _exists(app: Sphinx) -> Callable[[str], bool]:
    return lambda name: (_root(app) / name).is_file()


def rewritten(text: str, source: str, exists: Callable[[str], bool]) -> str:
    """Return Markdown with links to files as links of the site.

    Args:
        text: Markdown.
        source: the file that it stands in, from the top of the repository.
        exists: returns True if there is a file of this name.
    """

    def link(match: re.Match[str]) -> str:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        return address(name) + (match[2] or "")

    def named(match: re.Match[str]) -> str:
        return f"[{match[1]}]({address(match[1])})" if exists(match[1]) else match[1]

    parts = _CODE.split(text)
    parts[::2] = [_NAMED.sub(named, _LINK.sub(link, part)) for part in parts[::2]]
    return "".join(parts)


def address(name: str) -> str:
    """Return how the site links to a file of the repository."""
    name = INCLUDED.get(name, name)
    return name.removeprefix("docs") if name.startswith("docs/") else REPOSITORY + name
