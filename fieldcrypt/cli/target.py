"""Which Encryptor a command is about."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.records import check_tenant

__all__ = ["EncryptorOption", "check_tenant_option", "configured", "find_encryptor", "load", "named_encryptor"]

_VARIABLE = "FIELDCRYPT_ENCRYPTOR"

EncryptorOption = Annotated[
    str | None,
    typer.Option(
        "--encryptor",
        metavar="MODULE:NAME",
        envvar=_VARIABLE,
        help="Where the Encryptor is. Default: `encryptor` under \\[tool.fieldcrypt] in pyproject.toml.",
    ),
]


def find_encryptor(name: str | None) -> Encryptor:
    """Return the Encryptor that an option, the environment or pyproject.toml names.

    Raises:
        ConfigurationError: none is named, or what is named is none, or it has no keys.
    """
    path = named_encryptor(name)
    if path is None:
        raise ConfigurationError(
            f"no Encryptor is named: use --encryptor package.module:name, set {_VARIABLE}, or write\n"
            '[tool.fieldcrypt]\nencryptor = "package.module:name"\ninto pyproject.toml'
        )
    encryptor = load(path)
    if not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"{path} is a {type(encryptor).__name__}, and no Encryptor")
    _ = encryptor.provider  # says now if it was never configured
    return encryptor


def check_tenant_option(tenant: str | None) -> None:
    """Complain of a tenant that none can be.

    Raises:
        ConfigurationError: it is empty, too long, or no valid text.
    """
    try:
        if tenant is not None:
            check_tenant(tenant)
    except ValueError as error:
        raise ConfigurationError(f"--tenant: {error}") from None


def named_encryptor(name: str | None) -> str | None:
    """Return the path of the Encryptor, `package.module:name`, or None if nobody names one.

    Raises:
        ConfigurationError: pyproject.toml is malformed.
    """
    if name:
        return name
    found = configured("encryptor")
    if found is not None and not isinstance(found, str):
        raise ConfigurationError("encryptor under [tool.fieldcrypt] is a text, package.module:name")
    return found


def configured(name: str) -> Any:
    """Return what the nearest pyproject.toml has under [tool.fieldcrypt], or None.

    Raises:
        ConfigurationError: it is malformed.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        file = directory / "pyproject.toml"
        if file.is_file():
            return _from_pyproject(file, name)
    return None


def load(path: str) -> Any:
    """Return the object that a path, `package.module:name`, means; modules are looked for in this directory too.

    Raises:
        ConfigurationError: it cannot be imported.
    """
    module_name, colon, attributes = path.partition(":")
    if not (colon and module_name and attributes):
        raise ConfigurationError(f"{path!r} is not of the form package.module:name")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 (whatever the application's module raises)
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{module_name} cannot be imported: {type(error).__name__}: {reason}") from None
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ConfigurationError(f"{module_name} has no {attributes}")
        found = getattr(found, attribute)
    return found


def _from_pyproject(file: Path, name: str) -> Any:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    table = document.get("tool", {}).get("fieldcrypt", {})
    return table.get(name) if isinstance(table, dict) else None
