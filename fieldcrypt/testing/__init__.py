"""AWS on this machine, for tests, demos and benchmarks. Needs the extra `demo`."""

from fieldcrypt.testing.local_aws import LocalAws

__all__ = ["LocalAws"]
