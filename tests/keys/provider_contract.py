"""What every key provider promises: tests for a class that has a fixture `provider`."""

from __future__ import annotations

import pickle

import pytest

from fieldcrypt import DecryptionError, KeyProvider, LocalKeyProvider, NotWrappedHereError, WrappedKey

DATA_KEY = bytes(range(100, 132))
CONTEXT = {"fieldcrypt:key-id": "00" * 16, "fieldcrypt:tenant": "clinic-7"}


class Provider:
    def test_a_data_key_comes_back_under_its_context(self, provider: KeyProvider) -> None:
        assert provider.unwrap(provider.wrap(DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY

    @pytest.mark.parametrize("context", [{"fieldcrypt:key-id": "00" * 16}, {**CONTEXT, "more": "x"}])
    def test_another_context_is_refused(self, context: dict[str, str], provider: KeyProvider) -> None:
        """That is how a record says whose it is."""
        wraps = provider.wrap(DATA_KEY, CONTEXT)
        with pytest.raises(DecryptionError):
            provider.unwrap(wraps, context)

    def test_a_changed_wrap_is_refused(self, provider: KeyProvider) -> None:
        (wrap, *_) = provider.wrap(DATA_KEY, CONTEXT)
        with pytest.raises(DecryptionError):
            provider.unwrap([wrap._replace(data=wrap.data[:-1] + bytes([wrap.data[-1] ^ 1]))], CONTEXT)

    def test_a_foreign_wrapping_key_is_said_and_not_followed(self, provider: KeyProvider) -> None:
        with pytest.raises(NotWrappedHereError, match="'foreign'"):
            provider.unwrap([WrappedKey("foreign", b"x" * 72)], CONTEXT)
        wraps = [*LocalKeyProvider.generate().wrap(DATA_KEY, CONTEXT), *provider.wrap(DATA_KEY, CONTEXT)]
        assert provider.unwrap(wraps, CONTEXT) == DATA_KEY

    def test_wraps_are_under_its_wrapping_keys(self, provider: KeyProvider) -> None:
        assert [wrap.name for wrap in provider.wrap(DATA_KEY, CONTEXT)] == list(provider.wrapping_keys())
        assert {provider.wrapping_key(name) for name in provider.wrapping_keys()} == set(provider.wrapping_keys())

    def test_it_is_equal_to_its_pickle_which_names_a_front_door(self, provider: KeyProvider) -> None:
        """What is made again for every answer of a lookup has to be equal, or its keys end each time."""
        pickled = pickle.dumps(provider)
        assert pickle.loads(pickled) == provider
        assert b"fieldcrypt.keys.providers" not in pickled
