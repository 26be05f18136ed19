"""Builds the wheel, installs it with all extras in an empty venv, imports every package from there, and uses a column.

python tests/support/check_wheel.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("fieldcrypt", "fieldcrypt_sqlalchemy", "fieldcrypt_alembic", "fieldcrypt_pynamodb", "fieldcrypt_dynamodb"),
    *("fieldcrypt_pydantic", "fieldcrypt_spark", "fieldcrypt_sqlmodel", "fieldcrypt_opentelemetry"),
)

# Each needs an extra that is not in `all`; the tests import them.
OTHER_EXTRAS = (
    *("fieldcrypt.schemes.", "fieldcrypt.columns.", "fieldcrypt.spi.columns", "fieldcrypt_spark"),
    *("fieldcrypt.native.", "fieldcrypt.backends.native"),
    *("fieldcrypt_dynamodb.encryption_client", "fieldcrypt_alembic.", "fieldcrypt_pydantic", "fieldcrypt_sqlmodel"),
    "fieldcrypt_opentelemetry",
    "fieldcrypt.testing.pytest_plugin",
)

CHECK = f"""
import importlib.util, pathlib, pkgutil, sys
for name in {PACKAGES!r}:
    here = pathlib.Path(importlib.util.find_spec(name).origin).parent
    assert here.is_relative_to(sys.prefix), here
    assert (here / "py.typed").exists(), f"{{name}} has no py.typed"
    for module in [name, *(module.name for module in pkgutil.walk_packages([str(here)], name + "."))]:
        if not module.endswith("__main__") and not module.startswith({OTHER_EXTRAS!r}):
            importlib.import_module(module)
print("imported", *{PACKAGES!r}, "from", sys.prefix)
"""

# With what the extras bring and no more: for one, no greenlet, which SQLAlchemy needs for asyncio alone.
USE = """
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted

class Base(DeclarativeBase):
    pass

@encrypted(Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), row="id")
class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[str] = mapped_column(primary_key=True)
    ssn: Mapped[str] = mapped_column(Encrypted(String, index="ssn_tag"))
    ssn_tag: Mapped[bytes | None] = blind_index()

engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Patient(id="1", ssn="078-05-1120"))
    session.commit()
    assert session.scalars(select(Patient).where(Patient.ssn == "078-05-1120")).one().ssn == "078-05-1120"
print("wrote, searched and read a column")

from fieldcrypt.settings import Settings

database = "sql:sqlite:///keys.db"
key = "awskms:arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
for provider, store in (("local:local.key?create=true", database), (key, "dynamodb:data-keys"), (key, "memory:")):
    Settings(provider, store).configure(Encryptor())
print("found the schemes of settings")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", directory, str(ROOT)]
        subprocess.run(pip, check=True)
        (wheel,) = Path(directory).glob("*.whl")
        with ZipFile(wheel) as contents:
            top = {name.partition("/")[0] for name in contents.namelist()}
        unexpected = {name for name in top if not name.endswith(".dist-info")} ^ set(PACKAGES)
        if unexpected:
            sys.exit(f"the wheel holds the wrong packages: {sorted(unexpected)}")
        empty = Path(directory) / "venv"
        venv.create(empty, with_pip=True)
        python = empty / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run([python, "-m", "pip", "--quiet", "install", f"{wheel}[all,demo]"], check=True)
        for check in (CHECK, USE):
            subprocess.run([python, "-I", "-c", check], check=True, cwd=directory)
        subprocess.run([python, "-m", "pip", "--quiet", "install", "pytest"], check=True)
        fixtures = [str(python), "-I", "-m", "pytest", "--fixtures", "-p", "no:cacheprovider", directory]
        found = subprocess.run(fixtures, capture_output=True, text=True, cwd=directory).stdout
        if "fieldcrypt_keys" not in found:
            sys.exit(f"pytest does not find the plugin by itself:\n{found}")
        print("pytest found the fixtures")


if __name__ == "__main__":
    main()
