"""The version, which the native core and the distributions have too."""

__all__ = ["__version__"]

__version__ = "0.2.0"
