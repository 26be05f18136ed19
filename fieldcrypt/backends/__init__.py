"""What derives keys from data keys and uses them: in Python, or natively. Both do the same, byte for byte."""

from fieldcrypt.backends.backend import Backend, Cipher, Mac
from fieldcrypt.backends.choice import BACKENDS, INSTALL, asked_for, backend, chosen, described
from fieldcrypt.backends.extension import NoNativeCore, native_core
from fieldcrypt.backends.python import PYTHON

__all__ = [
    "BACKENDS",
    "INSTALL",
    "PYTHON",
    "Backend",
    "Cipher",
    "Mac",
    "NoNativeCore",
    "asked_for",
    "backend",
    "chosen",
    "described",
    "native_core",
]
