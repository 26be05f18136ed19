"""Checks of requests to moto's KMS: the region of an ARN, the state of a key, denials in its policy."""

from __future__ import annotations

import json
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import NotFoundException

__all__ = ["check_policy", "check_region", "check_state", "error", "requested_key", "statements"]


def check_region(response: Any, key_id: str) -> None:
    if key_id.startswith("arn:"):
        region = key_id.split(":")[3]
        if region != response.region:
            raise NotFoundException(f"Invalid arn {region}")


def requested_key(response: Any, action: str) -> Any:
    key_id = response._get_param("KeyId")
    response._validate_key_id(key_id)
    key = response.kms_backend.describe_key(key_id)
    check_policy(key, action)
    return key


def check_state(key: Any) -> None:
    if key.key_state == "Disabled":
        raise error("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise error("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def check_policy(key: Any, action: str) -> None:
    for statement in statements(key.policy):
        actions = statement["Action"]
        if (
            statement["Effect"] == "Deny"
            and statement["Principal"] in ("*", {"AWS": "*"}, {"AWS": ["*"]})
            and "Condition" not in statement
            and any(fnmatchcase(action, name) for name in ([actions] if isinstance(actions, str) else actions))
        ):
            raise error(
                "AccessDeniedException",
                f"User: arn:aws:iam::{key.account_id}:user/local is not authorized to perform: {action} on resource: "
                f"{key.arn} with an explicit deny in a resource-based policy",
            )


def statements(policy: str) -> list[dict[str, Any]]:
    """Return the statements of a policy document, or answer that it is malformed."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        found = json.loads(policy)["Statement"]
        listed = found if isinstance(found, list) else [found]
        if all({"Effect", "Principal", "Action", "Resource"} <= statement.keys() for statement in listed):
            return listed
    raise error("MalformedPolicyDocumentException", "The new key policy is malformed.")


def error(code: str, message: str) -> JsonRESTError:
    error = JsonRESTError(code, message)
    error.code = 400
    return error
