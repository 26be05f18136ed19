"""Modules that have moved, under the names that older pickles know them by (tests/frozen/README.md lists those)."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

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
    "fieldcrypt.keys.store_chain": "fieldcrypt.keys.stores.chain",
    "fieldcrypt.keys.tombstone": "fieldcrypt.keys.record.tombstone",
    "fieldcrypt.tag_plan": "fieldcrypt.search.plan",
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


def install() -> None:
    """Have imports of moved modules find them."""
    sys.meta_path.append(_MovedModules())
