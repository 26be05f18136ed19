"""The process behind `LocalAws`: moto's AWS on one loopback port a region.

All ports serve the same state, so that a multi-Region key's replicas share key material; a port closed is a region
lost. Commands come by standard input, one a line; the process ends with it, so it cannot outlive its parent.
"""

from __future__ import annotations

import json
import logging
import sys

from moto.server import ThreadedMotoServer

from fieldcrypt.testing.moto_kms import correct_kms

HOST = "127.0.0.1"


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    correct_kms()
    servers = {region: _serve(0) for region in sys.argv[1:]}
    ports = {region: server.get_host_and_port()[1] for region, server in servers.items()}
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        command, region = line.split()
        if command == "cut":
            servers[region].stop()
        elif command == "restore":
            servers[region] = _serve(ports[region])
        else:
            raise ValueError(f"unknown command {command}")
        print("done", flush=True)


def _serve(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer(HOST, port, verbose=False)
    server.start()
    return server


if __name__ == "__main__":
    main()
