"""The native core at bad moments: no memory, locks that others want, objects that nobody needs."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider
from tests.support.backends import needs_native

pytestmark = needs_native

SIZE = 64 << 20
SECONDS = 60  # until a program hangs

# A thread makes errors, which runs Python code, while others ask the same cipher.
ASK_A_WIPED_CIPHER = """
import sys, threading
import fieldcrypt_native as native
from fieldcrypt.errors import KeyWipedError

def ask():
    for _ in range(5_000):
        try:
            cipher.cipher(bytes(12))
        except KeyWipedError:
            pass

cipher = native.Cipher(bytes(32))
cipher.wipe()
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

# The last use of a key is the reader that was used last; what is called when it goes calls the field.
DROP_THE_LAST_READER = """
import fieldcrypt_native as native
from fieldcrypt import Encryptor, LocalKeyProvider

class Key:
    at_hand_until = float("inf")

    def __del__(self):
        field.core.forget()

field = Encryptor(LocalKeyProvider.generate()).field("a.b", str)
data = field.encrypt("x")
subkey = native.Cipher(bytes(32)).cipher(bytes(12))
prefix = data[:29]
field._readers.recent[prefix] = native.Reader(prefix, b"", b"", subkey, Key(), None, True)
try:
    field.core.decrypt(data)
except Exception:
    pass
field._readers.recent.clear()
field.core.forget()
"""

USE_MUCH = """
import re, resource, sys
from fieldcrypt import Encryptor, LocalKeyProvider

kind, size = {"str": str, "bytes": bytes}[sys.argv[1]], int(sys.argv[2])
field = Encryptor(LocalKeyProvider.generate()).field("a.b", kind)
value = kind("x" * size, *(["ascii"] if kind is bytes else []))
data = field.encrypt(value)
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
for part in range(0, 5):
    limit = used + size * part // 2 + (8 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    methods = (field.encrypt, value), (field.decrypt, data), (field.encrypt_many, [value]), (field.decrypt_many, [data])
    for method, given in methods:
        try:
            method(given)
        except MemoryError:
            pass
"""


def run(program: str, *arguments: str) -> None:
    """Run a program in a process of its own, which must neither end early nor hang."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


def test_an_error_is_made_without_a_lock() -> None:
    """Threads that ask a wiped cipher do not wait for each other for ever."""
    run(ASK_A_WIPED_CIPHER)


def test_a_key_is_dropped_without_a_lock() -> None:
    """What runs when the last user of a key goes may use the field."""
    run(DROP_THE_LAST_READER)


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory as Linux does")
@pytest.mark.parametrize("kind", ["str", "bytes"])
def test_too_little_memory_is_a_memory_error(kind: str) -> None:
    """A value for which there is no memory does not end the process."""
    run(USE_MUCH, kind, str(SIZE))


def test_what_encrypts_columns_is_collected() -> None:
    """It holds the field's keys, so it must not live for ever."""
    from fieldcrypt.native.columns import NativeColumns

    def number() -> int:
        gc.collect()
        return sum(isinstance(each, NativeColumns) for each in gc.get_objects())

    field = Encryptor(LocalKeyProvider.generate()).field("a.b", str)
    before = number()
    for _ in range(10):
        assert field._columns() is not None
    assert number() == before
