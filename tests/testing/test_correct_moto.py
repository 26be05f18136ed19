"""Multi-Region keys under plain `mock_aws`, as users of moto have them; in other processes, for moto is changed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import boto3
from moto import mock_aws
from fieldcrypt import ConfigurationError, Encryptor, MemoryKeyStore
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import correct_moto

def made():
    kms = boto3.client("kms", "us-east-1")
    key = kms.create_key(MultiRegion=True)["KeyMetadata"]
    kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    return key["Arn"]

@mock_aws
def used():
    arn, store = made(), MemoryKeyStore()
    home = AwsKmsKeyProvider(arn, ["us-east-1", "eu-west-1"])
    away = AwsKmsKeyProvider(arn.replace("us-east-1", "eu-west-1"), ["eu-west-1"])
    data = Encryptor(home, store).field("a.b", str).encrypt("x")
    print(Encryptor(away, store).field("a.b", str).decrypt(data))

@mock_aws
def refused():
    try:
        AwsKmsKeyProvider(made())
    except ConfigurationError as error:
        print(error)
"""


def printed(program: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + program]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_replica_reads_what_was_written_with_the_primary() -> None:
    """With the corrections, in every test of the process."""
    assert printed("correct_moto()\nused()\nused()\n") == "x\nx\n"


def test_a_second_call_changes_nothing_more() -> None:
    """As every fixture may make one."""
    before = "from moto.dynamodb.responses import DynamoHandler as D\ncorrect_moto()\nput = D.put_item\n"
    assert printed(before + "correct_moto()\nprint(D.put_item is put)\n") == "True\n"


def test_without_corrections_the_error_says_what_to_do() -> None:
    """moto's multi-Region keys have ids that those of AWS do not have."""
    assert "call fieldcrypt.testing.correct_moto() before the key is made" in printed("refused()\n")


@pytest.mark.parametrize("module", ["flask", "flask_cors", "py_partiql_parser"])
def test_the_regions_on_this_machine_do_not_need(module: str) -> None:
    """What only moto's own server, and PartiQL, need."""
    program = f"""
import os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
with TemporaryDirectory() as directory:
    Path(directory, "{module}.py").write_text("raise ImportError('it is not installed')")
    os.environ["PYTHONPATH"] = os.pathsep.join([directory, os.environ.get("PYTHONPATH", "")])
    from fieldcrypt.testing import LocalAws
    with LocalAws() as aws:
        print(len(aws.client("dynamodb", "us-east-1").list_tables()["TableNames"]), aws.create_key()[:12])
"""
    assert printed(program) == "0 arn:aws:kms:\n"
