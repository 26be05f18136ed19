"""Keys and limits from an application's settings: the environment, pydantic-settings, or a dataclass of your own."""

from fieldcrypt.settings.settings import Settings

__all__ = ["Settings"]
