"""Which AWS regions exist, in which partition, and which endpoints are safe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore import __version__ as botocore_version
from botocore.loaders import create_loader

from fieldcrypt.errors import ConfigurationError

__all__ = ["check_endpoint", "check_region", "partition_of"]


class _Partition(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    regions: frozenset[str]  # without those that are none, like aws-global


def check_region(region: str) -> str:
    """Return the region.

    Raises:
        ConfigurationError: it is not the name of an AWS region.
    """
    if not isinstance(region, str) or not any(region in partition.regions for partition in _partitions()):
        raise ConfigurationError(
            f"{region!r} is not an AWS region like us-east-1 that botocore {botocore_version} knows: a newer botocore "
            "knows newer regions"
        )
    return region


def partition_of(region: str) -> str | None:
    """Return the partition of AWS (`aws`, `aws-cn`, …) that a region is in by its name, or None.

    It may be newer than botocore.
    """
    return next((partition.name for partition in _partitions() if partition.pattern.fullmatch(region)), None)


def check_endpoint(url: str) -> str:
    """Return the URL of an endpoint.

    Raises:
        ConfigurationError: it is not a URL, or data keys that are sent there could be read on the way.
    """
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    except (ValueError, TypeError, AttributeError):
        scheme = host = ""
    if scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"an endpoint is a URL like https://vpce-….vpce.amazonaws.com, not {url!r}")
    if scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"the endpoint {url} has no TLS: data keys would be sent in the clear. Use https (http only on loopback)"
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _partitions() -> Sequence[_Partition]:
    """Return the partitions as botocore has them next to its code."""
    found: list[dict[str, Any]] = create_loader().load_data("partitions")["partitions"]
    partitions = [(each["id"], re.compile(each["regionRegex"], re.ASCII), each["regions"]) for each in found]
    return [
        _Partition(name, pattern, frozenset(region for region in regions if pattern.fullmatch(region)))
        for name, pattern, regions in partitions
    ]
