"""A project with Alembic's folder of migrations, whose models have protected columns."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alembic
import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.plugins import Plugin
from sqlalchemy import Engine, inspect

import fieldcrypt_alembic

with contextlib.suppress(ValueError):  # it is there already, where fieldcrypt was installed after it got the plugin
    Plugin.setup_plugin_from_module(fieldcrypt_alembic, fieldcrypt_alembic.NAME)


PAGE = Path(__file__).parents[2] / "docs" / "guides" / "alembic.md"
TEMPLATE = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"

# What an application has in env.py, with the page's function in it.
ENV = """
from alembic import context

Base, engine = (context.config.attributes[name] for name in ("base", "engine"))

{function}

run_migrations_online()
"""


class Project:
    """An application with a directory of migrations, and an env.py as the documentation has it."""

    def __init__(self, directory: Path, base: Any, engine: Engine, options: str = "") -> None:
        (directory / "versions").mkdir(parents=True)
        shutil.copy(TEMPLATE, directory)
        (function,) = re.findall(r"^(def run_migrations_online.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        if engine.dialect.name == "sqlite":  # which cannot alter a column: Alembic makes the table anew
            options += ", render_as_batch=True"
        function = function.replace("target_metadata=Base.metadata", f"target_metadata=Base.metadata{options}")
        (directory / "env.py").write_text(ENV.format(function=function))
        self.config = Config()
        self.config.set_main_option("script_location", str(directory))
        self.config.set_main_option("path_separator", "os")
        self.config.attributes.update(base=base, engine=engine)

    def use(self, base: Any = None, engine: Engine | None = None) -> None:
        """Go on with other models, or another database."""
        given = {"base": base, "engine": engine}
        self.config.attributes.update({name: value for name, value in given.items() if value is not None})

    def revision(self) -> str:
        """Have Alembic generate a migration; return its text."""
        script: Any = command.revision(self.config, autogenerate=True)
        return Path(script.path).read_text()

    def migrate(self) -> str:
        """Generate a migration, run it, and see to it that nothing is left to do; return its text."""
        written = self.revision()
        self.upgrade()
        return written

    def upgrade(self) -> None:
        """Run all migrations, and see to it that nothing is left to do."""
        command.upgrade(self.config, "head")
        command.check(self.config)

    def downgrade(self) -> None:
        """Take all migrations back."""
        command.downgrade(self.config, "base")


MakeProject = Callable[..., Project]


@pytest.fixture
def project(tmp_path: Path) -> MakeProject:
    """Makes a project: of models, engine, and more arguments of `context.configure`."""
    return lambda *arguments: Project(tmp_path / "migrations", *arguments)


def tables(engine: Engine) -> set[str]:
    """The tables of a database, without Alembic's own."""
    return set(inspect(engine).get_table_names()) - {"alembic_version"}
