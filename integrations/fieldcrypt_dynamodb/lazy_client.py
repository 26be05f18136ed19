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
                _check_takes_region(self._factory)
                self.made = self._factory(self._region)
            return self.made

    def forget(self, client: Any) -> None:
        """Make another client next time, if this is still the one."""
        if self.made is client:
            self.made = None


def _check_takes_region(factory: ClientFactory) -> None:
    try:
        inspect.signature(factory).bind(None)
    except TypeError:
        raise ConfigurationError(
            "client_factory is called with the region, as that of AwsKmsKeyProvider is: "
            'lambda region: boto3.client("dynamodb", region_name=region). It is None unless region= names one'
        ) from None
    except ValueError:
        return  # what is written in C may not tell its parameters
