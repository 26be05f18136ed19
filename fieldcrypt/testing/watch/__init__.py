"""A watch for plaintext that leaves the process."""

from fieldcrypt.testing.watch.plaintext_watch import PlaintextWatch

__all__ = ["PlaintextWatch"]
