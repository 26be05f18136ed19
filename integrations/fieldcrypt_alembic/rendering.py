"""Renders the types of protected columns into a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldcrypt_sqlalchemy.alembic import render_item

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

__all__ = ["render_as_binary"]


class _Rendering:
    """Asks the application's own function first, and then fieldcrypt's."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, kind: str, item: object, autogen_context: AutogenContext) -> Any:
        rendered = self._own(kind, item, autogen_context) if self._own else False
        return render_item(kind, item, autogen_context) if rendered is False else rendered


def render_as_binary(autogen_context: AutogenContext) -> None:
    """Have protected columns rendered by `render_item`, unless the application's own function does it otherwise."""
    own = autogen_context.opts.get("render_item")
    if not isinstance(own, _Rendering):
        autogen_context.opts["render_item"] = _Rendering(own)
