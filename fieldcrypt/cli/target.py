"""Finding the objects of a program that a command works on."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.record.record import check_tenant

__all__ = ["EncryptorOption", "check_tenant_option", "configured", "find", "find_encryptor", "set_up"]

_VARIABLE = "FIELDCRYPT_ENCRYPTOR"

EncryptorOption = Annotated[
    str | None,
    typer.Option(
        "--encryptor",
        metavar="MODULE:NAME",
        envvar=_VARIABLE,
        help="The Encryptor, or a function that returns it. "
        "Default: `encryptor` under [tool.fieldcrypt] in pyproject.toml.",
    ),
]


def find_encryptor(name: str | None) -> Encryptor:
    """Return the Encryptor that an option, the environment or pyproject.toml names.

    Raises:
        ConfigurationError: none is named, or the object is not one, or it has no keys.
    """
    path = name or _configured_encryptor()
    if path is None:
        raise ConfigurationError(
            f"no Encryptor is named: use --encryptor package.module:name, set {_VARIABLE}, or write\n"
            '[tool.fieldcrypt]\nencryptor = "package.module:name"\ninto pyproject.toml'
        )
    encryptor: Encryptor = find(path, Encryptor)
    try:
        _ = encryptor.provider
    except ConfigurationError:
        raise ConfigurationError(
            f"the Encryptor of {path} has no keys yet: if your program configures it at start-up, name a function that "
            "does so and returns it"
        ) from None
    return encryptor


def set_up() -> None:
    """Look up the Encryptor that the environment or pyproject.toml names, because a function there may configure it.

    Raises:
        ConfigurationError: the object is not one.
    """
    path = os.environ.get(_VARIABLE) or _configured_encryptor()
    if path is not None:
        find(path, Encryptor)


def check_tenant_option(tenant: str | None) -> None:
    """Reject an invalid --tenant.

    Raises:
        ConfigurationError: it is empty, too long, or no valid text.
    """
    try:
        if tenant is not None:
            check_tenant(tenant)
    except ValueError as error:
        raise ConfigurationError(f"--tenant: {error}") from None


def find(path: str, kind: type) -> Any:
    """Return the object that a path, `package.module:name`, names, or that the function there returns.

    A function that returns nothing has configured the only object of this type in its module.

    Raises:
        ConfigurationError: it cannot be imported, the function fails, or this is no such object.
    """
    found = _imported(path)
    subject = f"{path} is"
    if callable(found) and not isinstance(found, kind):
        subject = f"{path}() returned"
        try:
            found = found()
        except Exception as error:  # noqa: BLE001 (whatever the application's function raises)
            raise ConfigurationError(f"{path}() failed: {_in_a_line(error)}") from None
        if found is None:
            # Not isinstance, which would make proxies, of a web framework for example, look up their target.
            known = {id(each): each for each in vars(_module(path)).values() if kind in type(each).__mro__}
            if len(known) != 1:
                raise ConfigurationError(f"{path}() returned nothing: let it return the {kind.__name__} that it makes")
            (found,) = known.values()
    if not isinstance(found, kind):
        raise ConfigurationError(f"{subject} {_with_article(type(found).__name__)}, and no {kind.__name__}")
    return found


def configured(name: str) -> Any:
    """Return a value under [tool.fieldcrypt] in the nearest pyproject.toml, or None.

    Raises:
        ConfigurationError: it is malformed.
    """
    file = _pyproject()
    return None if file is None else _from_pyproject(file, name)


def _pyproject() -> Path | None:
    here = Path.cwd()
    files = (directory / "pyproject.toml" for directory in (here, *here.parents))
    return next((file for file in files if file.is_file()), None)


def _configured_encryptor() -> str | None:
    found = configured("encryptor")
    if found is not None and not isinstance(found, str):
        raise ConfigurationError("encryptor under [tool.fieldcrypt] is a text, package.module:name")
    return found


def _imported(path: str) -> Any:
    """Return the object that a path means."""
    module_name, colon, attributes = path.partition(":")
    if not (colon and module_name and attributes):
        raise ConfigurationError(f"{path!r} is not of the form package.module:name")
    found: Any = _module(path)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ConfigurationError(f"{module_name} has no {attributes}")
        found = getattr(found, attribute)
    return found


def _module(path: str) -> ModuleType:
    """Return the module of a path, also from this directory and that of pyproject.toml."""
    module_name, file = path.partition(":")[0], _pyproject()
    for directory in (*(() if file is None else (file.parent,)), Path.cwd()):
        if str(directory) not in sys.path and not (directory == Path.cwd() and "" in sys.path):
            sys.path.insert(0, str(directory))
    try:
        return importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 (whatever the application's module raises)
        raise ConfigurationError(f"{module_name} cannot be imported: {_in_a_line(error)}") from None


def _from_pyproject(file: Path, name: str) -> Any:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    table = document.get("tool", {}).get("fieldcrypt", {})
    return table.get(name) if isinstance(table, dict) else None


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
