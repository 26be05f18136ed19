"""What 0.1 had under other names: modules, by which older pickles know them (tests/frozen/README.md), and exports."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importing importlib.abc takes 10 ms

_MOVED = {
    "fieldcrypt.context": "fieldcrypt.format.context",
    "fieldcrypt.indexed_by": "fieldcrypt.declaration.indexed_by",
    "fieldcrypt.keys.file_store": "fieldcrypt.keys.stores.file",
    "fieldcrypt.keys.provider": "fieldcrypt.keys.providers.provider",
    "fieldcrypt.keys.provider_chain": "fieldcrypt.keys.providers.chain",
    "fieldcrypt.keys.records": "fieldcrypt.keys.record.record",
    "fieldcrypt.keys.rewrap": "fieldcrypt.keys.admin.rewrap",
    "fieldcrypt.keys.store_chain": "fieldcrypt.keys.stores.chain",
    "fieldcrypt.keys.tombstone": "fieldcrypt.keys.record.tombstone",
    "fieldcrypt.migration.progress": "fieldcrypt.progress",
    "fieldcrypt.tag_plan": "fieldcrypt.search.plan",
    "fieldcrypt.text_form": "fieldcrypt.format.text_form",  # which a page of 0.1 imports
    "fieldcrypt_pynamodb.companion": "fieldcrypt_pynamodb.attribute.companion",
    "fieldcrypt_sqlalchemy.companion": "fieldcrypt_sqlalchemy.column.companion",
    "fieldcrypt_sqlalchemy.sealed": "fieldcrypt_sqlalchemy.rows.sealed",
}


class _MovedModules(Loader):
    """Finds a module where it is now. Asked last, so it costs nothing unless a name is not found otherwise."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: the module has run under its own name, and gets its own spec back."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Return a module's `__getattr__`, which says what names of 0.1 are called now.

    Args:
        module: its name.
        names: new names by old ones.
    """

    def missing(name: str) -> NoReturn:
        if name in names:  # Python keeps the text of no other error in `from module import name`
            raise ImportError(f"{module}.{name} has the name {names[name]} since 0.2")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing


def install() -> None:
    """Have imports of moved modules find them."""
    sys.meta_path.append(_MovedModules())
