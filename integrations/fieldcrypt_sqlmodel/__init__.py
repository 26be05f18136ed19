"""fieldcrypt for SQLModel: encrypted columns, and companions with tags, in a line each. See docs/guides/sqlmodel.md."""

from fieldcrypt_sqlmodel.fields import protected_field, tag_field

__all__ = ["protected_field", "tag_field"]
