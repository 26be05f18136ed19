"""`fieldcrypt demo`: two regions on this machine, of which one is lost."""

from fieldcrypt.cli.demo.story import run

__all__ = ["run"]
