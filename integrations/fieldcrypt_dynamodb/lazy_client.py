"""boto3 clients, made when they are needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from fieldcrypt import ConfigurationError, call_after_fork

__all__ = ["ClientFactory", "LazyClient"]

ClientFactory = Callable[[str | None], Any]  # of a region; None for the one that boto3 is configured for


class LazyClient:
    """A boto3 DynamoDB client that is made at first use, and again in a forked child.

    Args:
        factory: makes it for a region; None for boto3's own with `config`.
        region: what the factory is given.
        config: for boto3's own.
    """

    def __init__(self, factory: ClientFactory | None, region: str | None, config: Config) -> None:
        self._factory = factory or (lambda region: boto3.session.Session().client("dynamodb", region, config=config))
        self._region = region
        self._reset()
        call_after_fork(self._reset)

    def _reset(self) -> None:
        self.made: Any = None  # the client, if there is one yet
        self._lock = Lock()

    def __call__(self) -> Any:
        """Return the client.

        Raises:
            ConfigurationError: the factory takes no region.
        """
        with self._lock:
            if self.made is None:
                self.made = _made(self._factory, self._region)
            return self.made

    def forget(self, client: Any) -> None:
        """Make another client next time, if this is still the one."""
        if self.made is client:
            self.made = None


def _made(factory: ClientFactory, region: str | None) -> Any:
    """Make a client. Without a region, a factory that has one by default makes it for that one."""
    if not _takes(factory, region):
        raise ConfigurationError(
            "client_factory is called with the region, as that of AwsKmsKeyProvider is: "
            'lambda region: boto3.client("dynamodb", region_name=region). It is None unless region= names one'
        )
    by_default: Any = factory
    return by_default() if region is None and _takes(factory) else factory(region)


def _takes(factory: ClientFactory, *arguments: Any) -> bool:
    try:
        inspect.signature(factory).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return bool(arguments)  # what is written in C may not tell its parameters
    return True
