"""AWS on this machine, for tests, demos and benchmarks. Needs the extra `demo`."""

from fieldcrypt.testing.local_aws import LocalAws
from fieldcrypt.testing.proxy import FaultyProxy

__all__ = ["FaultyProxy", "LocalAws"]
