"""The site: every page of docs/, the API of the front doors, and the pages that stand at the top of the repository."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

logging.getLogger("pynamodb").setLevel(logging.WARNING)  # it tells where its settings are from, when it is imported
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "integrations"), str(ROOT / "docs" / "_ext")]

from fieldcrypt._version import __version__ as release  # noqa: E402 (found by the line above)

project = "fieldcrypt"
author = "The fieldcrypt authors"
project_copyright = author
version = release
extensions = [
    *("myst_parser", "sphinx.ext.autodoc"),
    *("page_links", "docstrings", "front_doors", "command_line"),
]
exclude_patterns = ["_ext", "_static"]

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block", "attrs_inline"]

# What is not ours has its documentation elsewhere, and no inventory of it is fetched: the build needs no network.
nitpicky = True
# Type variables and private names have none.
nitpick_ignore_regex = [("py:.*", r"(?!fieldcrypt).*"), ("py:.*", r".*\.(_\w+|[A-Z](_co)?|Column)")]
suppress_warnings = ["ref.python"]  # two classes of one name, as an annotation has it: the first one is meant

autodoc_mock_imports = [
    *(
        "moto",
        "opentelemetry",
        "pytest",
        "werkzeug",
        "pyspark",
        "asherah",
        "sqlalchemy_utils",
        "dynamodb_encryption_sdk",
    ),
    *("aws_encryption_sdk", "aws_cryptographic_material_providers"),
]
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 110
add_module_names = False
toc_object_entries_show_parents = "hide"

# Options of commands keep their two hyphens, and values their quotes.
smartquotes = False

html_theme = "furo"
html_title = f"fieldcrypt {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": "https://github.com/fieldcrypt/fieldcrypt/",
    "source_branch": "main",
    "source_directory": "docs/",
}
