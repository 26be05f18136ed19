"""What a log handler writes of data keys and of statements' parameters."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import Engine, create_engine, exc

from fieldcrypt.scrubbing import ScrubbingFilter

SSN = "078-05-1120"
DATA_KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler of the root logger writes at DEBUG, with the filter."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        handler.addFilter(ScrubbingFilter())
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.fixture
def unfiltered(written: io.StringIO) -> io.StringIO:
    """The same without it."""
    (handler,) = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is written]
    handler.filters.clear()
    return written


def call_kms() -> None:
    with mock_aws():
        kms = boto3.client("kms", "us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=DATA_KEY)["CiphertextBlob"]
        kms.decrypt(CiphertextBlob=blob)


def fail_in_sql() -> exc.DBAPIError:
    with create_engine("sqlite://").begin() as connection, pytest.raises(exc.DBAPIError) as caught:
        connection.exec_driver_sql("SELECT ? FROM nowhere", (SSN,))
    return caught.value


def shows(written: io.StringIO) -> bool:
    text = written.getvalue()
    return any(each in text for each in (DATA_KEY.decode(), base64.b64encode(DATA_KEY).decode()))


def test_debug_records_of_botocore_are_dropped(written: io.StringIO) -> None:
    """They have the data key of every call of KMS."""
    call_kms()
    assert not shows(written)


def test_without_the_filter_they_have_data_keys(unfiltered: io.StringIO) -> None:
    """Or else the test above would show nothing."""
    call_kms()
    assert shows(unfiltered)


def test_other_records_are_written(written: io.StringIO) -> None:
    """Debug records of the application, and warnings of botocore."""
    logging.getLogger("shop").debug("an order")
    logging.getLogger("botocore.retries").warning("no answer")
    assert written.getvalue() == "an order\nno answer\n"


def test_parameters_of_a_statement_are_hidden(written: io.StringIO) -> None:
    """In the traceback, and where the error is an argument; also of an error that it caused."""
    try:
        try:
            raise fail_in_sql()
        except exc.DBAPIError as error:
            raise RuntimeError("no order") from error
    except RuntimeError:
        logging.getLogger("shop").exception("failed: %s", fail_in_sql())
    assert "SELECT ? FROM nowhere" in written.getvalue()
    assert SSN not in written.getvalue()


def test_without_the_filter_they_are_shown(unfiltered: io.StringIO) -> None:
    """Likewise."""
    logging.getLogger("shop").error("failed: %s", fail_in_sql())
    assert SSN in unfiltered.getvalue()


@pytest.mark.parametrize(
    "text", [str, "{};\nanother try in a second".format, "  | {}".format, lambda error: str(error)[:-3]]
)
def test_parameters_in_a_text_of_the_application_are_hidden(
    written: io.StringIO, text: Callable[[exc.DBAPIError], str]
) -> None:
    """Also if it says more after the error, indents it, or was cut."""
    error = fail_in_sql()
    error.code = ""  # so that no link says where the parameters end
    logging.getLogger("shop").error(text(error))
    logging.getLogger("shop").error("%(what)s", {"what": text(error)})
    assert written.getvalue().count("SELECT ? FROM nowhere") == 2
    assert SSN not in written.getvalue()


@pytest.mark.parametrize("how", [{}, {"logging_name": "orders"}], ids=["plain", "named"])
def test_the_echo_of_parameters_and_rows_is_dropped(
    written: io.StringIO, caplog: pytest.LogCaptureFixture, how: dict[str, Any]
) -> None:
    """At INFO the parameters are written, and at DEBUG the rows too; statements stay."""
    with logged_engine(caplog, how).connect() as connection:
        assert connection.exec_driver_sql("SELECT ? AS found", (SSN,)).scalar_one() == SSN
        token = connection.execution_options(logging_token="a request")
        assert token.exec_driver_sql("SELECT ? AS found", (SSN,)).scalar_one() == SSN
    assert "SELECT ? AS found" in written.getvalue()
    assert SSN not in written.getvalue()


def logged_engine(caplog: pytest.LogCaptureFixture, how: dict[str, Any]) -> Engine:
    """An engine that logs all it can, to the handlers of the root logger alone."""
    name = "sqlalchemy.engine.Engine" + "".join(f".{name}" for name in how.values())
    caplog.set_level(logging.DEBUG, name)  # until the test ends
    return create_engine("sqlite://", **how)


def test_a_record_whose_arguments_do_not_fit_is_the_handlers_affair(written: io.StringIO) -> None:
    """A filter that raises would stop the program."""
    record = logging.LogRecord("shop", logging.ERROR, "", 0, "%s and %s", ("one",), None)
    assert ScrubbingFilter().filter(record) is True
    assert written.getvalue() == ""
