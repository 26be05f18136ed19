"""A process behind `LocalAws`: moto's AWS on one loopback port per region.

All ports of a process serve the same state, so that a multi-Region key's replicas share key material; between
processes, keys are copied. A port closed is a region lost. Commands come by standard input, one a line; the process
ends with it, or else with its parent.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.kms.models import kms_backends

from fieldcrypt.testing.child_process import end_with_parent
from fieldcrypt.testing.moto import correct_moto
from fieldcrypt.testing.moto.server import MotoServer

_COPIED = ("id", "arn", "creation_date", "description", "policy", "multi_region_configuration")


def main() -> None:
    end_with_parent()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    correct_moto()
    servers = {region: MotoServer() for region in sys.argv[1:]}
    ports = {region: server.port for region, server in servers.items()}
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        answer = "done"
        match line.split(maxsplit=2):
            case ["cut", region]:
                servers[region].stop()
            case ["restore", region]:
                servers[region] = MotoServer(ports[region])
            case ["export", region, key_id]:
                answer = _export(region, key_id.strip())
            case ["import", region, key]:
                _import(region, key)
            case _:
                raise ValueError(f"unknown command {line}")
        print(answer, flush=True)


def _export(region: str, key_id: str) -> str:
    """Return a symmetric key with its material, which AWS never does, in a line."""
    key = vars(kms_backends[DEFAULT_ACCOUNT_ID][region].keys[key_id])
    material = base64.b64encode(key["key_material"]).decode()
    return json.dumps({name: key[name] for name in _COPIED} | {"key_material": material})


def _import(region: str, exported: str) -> None:
    attributes: dict[str, Any] = json.loads(exported)
    attributes["key_material"] = base64.b64decode(attributes["key_material"])
    backend = kms_backends[DEFAULT_ACCOUNT_ID][region]
    key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None, True)
    del backend.keys[key.id]
    vars(key).update(attributes)
    backend.keys[key.id] = key


if __name__ == "__main__":
    main()
