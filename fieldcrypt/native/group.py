"""Fields whose values are encrypted and decrypted together natively."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fieldcrypt_native as native

from fieldcrypt.batch import FieldGroup
from fieldcrypt.format.context import NoTenant
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["NativeGroup"]


class NativeGroup(FieldGroup):
    """A FieldGroup whose `encrypt` and `decrypt` are native.

    What the native core cannot do at once, it hands over to `encrypt_slowly` and `decrypt_slowly`, as for one field.
    """

    __slots__ = ("decrypt", "encrypt")

    def _prepare(self) -> None:
        super()._prepare()
        core = native.GroupCore(self, [field.core for field in self._fields])  # type: ignore[attr-defined]
        self.encrypt = core.encrypt  # type: ignore[method-assign]  # a slot
        self.decrypt = core.decrypt  # type: ignore[method-assign]

    @discreet
    def encrypt_slowly(self, values: Sequence[Any], tenant: str | None, context: Mapping[str, str] | None) -> list[Any]:
        """Do what `encrypt` does, step by step."""
        return FieldGroup.encrypt(self, values, tenant=tenant, context=context)

    @discreet
    def decrypt_slowly(
        self, values: Sequence[Any], tenant: str | NoTenant | None, context: Mapping[str, str] | None
    ) -> list[Any]:
        """Do what `decrypt` does, step by step."""
        return FieldGroup.decrypt(self, values, tenant=tenant, context=context)
