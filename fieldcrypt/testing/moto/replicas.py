"""Replicas and rotation of multi-Region keys, for moto's KMS: each replica has its own policy, aliases and state."""

from __future__ import annotations

import json
from copy import copy
from typing import Any

import moto.kms.models as models

from fieldcrypt.testing.moto.checks import check_state, error, requested_key, statements

__all__ = ["enable_key_rotation", "get_key_rotation_status", "replicate_key"]

_SYMMETRIC = "SYMMETRIC_DEFAULT"
_DEFAULT_ROTATION = 365  # days
_ROTATIONS = range(90, 2561)  # days


def replicate_key(self: Any) -> str:
    key_id, region = self._get_param("KeyId"), self._get_param("ReplicaRegion")
    self._validate_cmk_id(key_id)
    key = self.kms_backend.describe_key(key_id)
    if not key.multi_region or _primary(key) is not key:
        raise error("UnsupportedOperationException", f"{key.arn} is not a multi-Region primary key.")
    check_state(key)
    backend = models.kms_backends[key.account_id][region]
    if key.id in backend.keys:
        raise error("AlreadyExistsException", f"{key.id} already exists in {region}.")
    replica = copy(key)  # shares the key material
    replica.region = region
    replica.arn = key.arn.replace(f":{key.region}:", f":{region}:")
    replica.policy = self._get_param("Policy") or replica.generate_default_policy()
    statements(replica.policy)
    replica.description = self._get_param("Description") or ""
    replica.aliases, replica.grants = {}, {}
    replica.multi_region_configuration = {**key.multi_region_configuration, "MultiRegionKeyType": "REPLICA"}
    key.multi_region_configuration["ReplicaKeys"].append({"Arn": replica.arn, "Region": region})  # a list they share
    backend.keys[replica.id] = replica
    metadata = replica.to_dict()["KeyMetadata"] | {"KeyState": "Creating", "Enabled": False}  # AWS: for some seconds
    return json.dumps({"ReplicaKeyMetadata": metadata, "ReplicaPolicy": replica.policy})


def enable_key_rotation(self: Any) -> str:
    key = requested_key(self, "kms:EnableKeyRotation")
    _check_rotates(key)
    check_state(key)
    if _primary(key) is not key:
        raise error("UnsupportedOperationException", f"{key.arn} is a replica: rotation belongs to the primary key.")
    days = self._get_param("RotationPeriodInDays") or _DEFAULT_ROTATION
    if days not in _ROTATIONS:
        raise error("ValidationException", "RotationPeriodInDays is from 90 to 2560.")
    key.key_rotation_status, key.rotation_period = True, days
    return "{}"


def get_key_rotation_status(self: Any) -> str:
    key = requested_key(self, "kms:GetKeyRotationStatus")
    _check_rotates(key)
    primary = _primary(key)
    answer = {"KeyId": key.arn, "KeyRotationEnabled": primary.key_rotation_status}
    if primary.key_rotation_status:
        answer["RotationPeriodInDays"] = getattr(primary, "rotation_period", _DEFAULT_ROTATION)
    return json.dumps(answer)


def _check_rotates(key: Any) -> None:
    if key.key_spec != _SYMMETRIC or key.origin != "AWS_KMS":
        raise error("UnsupportedOperationException", f"{key.arn} cannot be rotated automatically.")


def _primary(key: Any) -> Any:
    if not key.multi_region:
        return key
    region = key.multi_region_configuration["PrimaryKey"]["Region"]
    # In a process of its own a region has the replica alone, which then answers for the primary.
    return models.kms_backends[key.account_id][region].keys.get(key.id, key)
