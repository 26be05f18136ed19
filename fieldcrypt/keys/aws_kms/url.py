"""Key providers of AWS KMS from a URL, for settings."""

from __future__ import annotations

from typing import Any

from fieldcrypt._base.service_url import ServiceUrl
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.aws_kms.provider import AwsKmsKeyProvider

__all__ = ["provider_from_url"]


def provider_from_url(url: str) -> AwsKmsKeyProvider:
    """Make a key provider: `awskms:ARN?regions=eu-west-1,us-east-1&endpoint.eu-west-1=https://…`.

    Several ARNs have commas between them. The parameters are the arguments of `AwsKmsKeyProvider`: `regions`,
    `require`, `timeout`, `deadline`, `cooldown`, `grace`, `failover_on_denied`, and `endpoint.REGION`.

    Raises:
        ConfigurationError: a parameter is unknown or malformed; or as `AwsKmsKeyProvider`.
        ValueError: as `AwsKmsKeyProvider`.
    """
    named = ServiceUrl.parse(url)
    arguments: dict[str, Any] = {
        "regions": named.names("regions"),
        "require": _required(named.text("require")),
        "endpoint_urls": named.each("endpoint") or None,
        "failover_on_denied": named.flag("failover_on_denied"),
        **{name: named.duration(name) for name in ("timeout", "deadline", "cooldown", "grace")},
    }
    named.finish()
    if not named.path:
        raise ConfigurationError("awskms: takes the ARN of a KMS key: awskms:arn:aws:kms:us-east-1:111122223333:key/…")
    return AwsKmsKeyProvider(
        named.path.split(","), **{name: value for name, value in arguments.items() if value is not None}
    )


def _required(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else text
