"""The fixtures, as a project has them; docs/guides/testing.md uses them all, see test_guide.py."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.testing.projects import run_pytest

ROOT = Path(__file__).parents[2]

APPLICATION = """
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore

encryptor = Encryptor()
ssn = encryptor.field("patients.ssn", str)
"""

CONFTEST = """
import pytest
from application import encryptor

@pytest.fixture(scope="session")
def fieldcrypt_encryptor():
    return encryptor
"""

OWN_KEYS = """
import pytest
from application import encryptor, ssn
from fieldcrypt import ConfigurationError

written = []

@pytest.mark.parametrize("run", [1, 2])
def test_each_has_keys_of_its_own(fieldcrypt_keys, fieldcrypt_provider, run):
    written.append(ssn.encrypt("078-05-1120"))
    assert fieldcrypt_keys is encryptor and encryptor.provider is fieldcrypt_provider
    assert fieldcrypt_provider.wraps == 1

def test_they_were_others():
    assert len({data[1:17] for data in written}) == 2

def test_without_the_fixture_it_is_as_the_application_left_it():
    with pytest.raises(ConfigurationError):
        ssn.encrypt("078-05-1120")
"""

LOST_REGIONS = """
import pytest
from botocore.exceptions import EndpointConnectionError

@pytest.fixture
def table(fieldcrypt_aws):
    yield
    fieldcrypt_aws.kms("us-east-1").list_keys()  # cleans up where a region was lost

def test_that_loses_a_region(fieldcrypt_aws, table):
    fieldcrypt_aws.cut("us-east-1")
    with pytest.raises(EndpointConnectionError):
        fieldcrypt_aws.kms("us-east-1").list_keys()

def test_that_needs_it(fieldcrypt_aws, fieldcrypt_kms_key):
    assert not fieldcrypt_aws.lost
    fieldcrypt_aws.calls.clear()
    fieldcrypt_aws.kms("us-east-1").encrypt(KeyId=fieldcrypt_kms_key, Plaintext=b"x")

def test_whose_calls_are_counted_from_zero(fieldcrypt_aws):
    assert not fieldcrypt_aws.calls
"""

OTHER_REGIONS = """
import pytest

@pytest.fixture(scope="session")
def fieldcrypt_regions():
    return ("eu-central-1", "eu-west-1", "us-east-2")

def test_they_are_there(fieldcrypt_aws, fieldcrypt_kms_key):
    assert fieldcrypt_kms_key.split(":")[3] == "eu-central-1"
    for region in fieldcrypt_aws.regions:
        fieldcrypt_aws.kms(region).encrypt(KeyId=fieldcrypt_kms_key.rpartition("/")[2], Plaintext=b"x")
"""

LEAK = """
from sqlalchemy import create_engine, text

def test_that_leaks(fieldcrypt_watch):
    fieldcrypt_watch.add("078-05-1120")
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("SELECT :ssn"), {"ssn": "078-05-1120"})

def test_that_sends_nothing(fieldcrypt_watch):
    fieldcrypt_watch.add("078-05-1120")
"""


def outcome(directory: Path, tests: str) -> str:
    for name, content in {"application": APPLICATION, "conftest": CONFTEST, "test_it": tests}.items():
        (directory / f"{name}.py").write_text(content)
    return run_pytest(directory)


def test_each_test_has_keys_of_its_own(tmp_path: Path) -> None:
    """And the Encryptor is left as it was."""
    result = outcome(tmp_path, OWN_KEYS)
    assert "4 passed" in result, result


def test_a_lost_region_is_there_again_for_the_next_test(tmp_path: Path) -> None:
    """And for what cleans up after the one that lost it."""
    result = outcome(tmp_path, LOST_REGIONS)
    assert "3 passed" in result, result


def test_a_project_has_the_regions_that_it_names(tmp_path: Path) -> None:
    """Three, for example."""
    result = outcome(tmp_path, OTHER_REGIONS)
    assert "1 passed" in result, result


def test_a_test_that_sends_plaintext_fails_at_its_end(tmp_path: Path) -> None:
    """With what was sent; one that sends nothing does not."""
    result = outcome(tmp_path, LEAK)
    assert "2 passed, 1 error" in result, result
    assert "'SELECT ?' sent '078-05-1120' in '078-05-1120'" in result


def test_it_is_light() -> None:
    """It is loaded in every run of everybody who has fieldcrypt installed."""
    heavy = ("boto3", "botocore", "moto", "sqlalchemy", "pynamodb", "aiobotocore", "asyncio")
    program = f"""
import sys, pytest
before = set(sys.modules)
import fieldcrypt.testing.pytest_plugin
print([name for name in {heavy!r} if name in sys.modules and name not in before])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_pytest_finds_it_by_itself() -> None:
    """By the metadata of the package; `make wheel-check` sees it happen."""
    (found,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"].values()
    plugin = importlib.import_module(found)
    fixtures = [name for name, made in vars(plugin).items() if type(made).__name__ == "FixtureFunctionDefinition"]
    assert len(fixtures) == 10
    assert all(name.startswith("fieldcrypt_") for name in fixtures)
