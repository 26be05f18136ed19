"""FaultyProxy: each way to fail, as a boto3 client or a bare HTTP connection sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from subprocess import PIPE
from threading import Thread
from time import perf_counter
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from fieldcrypt.testing import FaultyProxy, LocalAws

HOME = "us-east-1"
PATIENCE = 30.0  # seconds until a test gives up on an answer
LISTING = {  # a request for the keys there are; nobody looks at the signature
    "X-Amz-Target": "TrentService.ListKeys",
    "Content-Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/kms/aws4_request",
}
MOMENT = 0.2  # seconds in which a proxy that hangs does not answer either


@pytest.fixture(scope="module")
def running(aws: LocalAws) -> Iterator[FaultyProxy]:
    """One proxy before one region."""
    with FaultyProxy(aws.endpoint(HOME)) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: FaultyProxy) -> FaultyProxy:
    """A proxy that is healthy, whatever the last test did."""
    running.healthy()
    return running


@pytest.fixture
def client(aws: LocalAws, proxy: FaultyProxy) -> Any:
    """A KMS client that goes through the proxy, and has a connection open."""
    client = make_client(aws, proxy)
    client.list_keys()
    return client


def make_client(aws: LocalAws, proxy: FaultyProxy) -> Any:
    """A KMS client that goes through a proxy."""
    return aws.client("kms", HOME, timedelta(seconds=PATIENCE), endpoint_url=proxy.url)


def address(proxy: FaultyProxy) -> str:
    return proxy.url.removeprefix("http://")


def connect(proxy: FaultyProxy) -> closing[HTTPConnection]:
    """A connection that has been used once and is open."""
    connection = HTTPConnection(address(proxy), timeout=PATIENCE)
    assert get(connection) == 200
    return closing(connection)


def get(connection: HTTPConnection) -> int:
    """Ask for the keys, and return the status."""
    connection.request("POST", "/", "{}", LISTING)
    answer = connection.getresponse()
    answer.read()
    return answer.status


class TestHealthy:
    def test_answers_are_those_of_the_server(self, aws: LocalAws, client: Any) -> None:
        """A key made through the proxy is there without it."""
        key_id = client.create_key()["KeyMetadata"]["KeyId"]
        assert aws.kms(HOME).describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id

    def test_a_connection_stays_open_between_requests(self, proxy: FaultyProxy) -> None:
        """As those of AWS do, although moto closes its own after each answer."""
        connections, requests = proxy.connections, proxy.requests
        with connect(proxy) as connection:
            assert [get(connection) for _ in range(3)] == [200, 200, 200]
        assert (proxy.connections - connections, proxy.requests - requests) == (1, 4)

    def test_bodies_that_come_in_pieces_arrive_whole(self, client: Any) -> None:
        """However many packets a request takes."""
        description = "x" * 8192
        key_id = client.create_key(Description=description)["KeyMetadata"]["KeyId"]
        assert client.describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == description


class TestRefuse:
    def test_new_connections_are_refused(self, aws: LocalAws, proxy: FaultyProxy) -> None:
        """Nobody listens."""
        proxy.refuse()
        with pytest.raises(EndpointConnectionError):
            make_client(aws, proxy).list_keys()

    def test_open_connections_are_reset(self, proxy: FaultyProxy) -> None:
        """They end with the server."""
        with connect(proxy) as connection:
            proxy.refuse()
            with pytest.raises(ConnectionError):
                get(connection)

    def test_the_port_is_the_same_afterwards(self, proxy: FaultyProxy, client: Any) -> None:
        """Whoever knows the address finds the server again."""
        url = proxy.url
        for _ in range(3):
            proxy.refuse()
            with pytest.raises((EndpointConnectionError, ConnectionClosedError)):  # it may still have a connection
                client.list_keys()
            proxy.healthy()
            client.list_keys()
        assert proxy.url == url


class TestHang:
    def test_an_open_connection_gets_no_answer(self, proxy: FaultyProxy) -> None:
        """The switch holds for connections that were open before it; only the client's time-out ends the wait."""
        with connect(proxy) as connection:
            proxy.hang()
            connection.sock.settimeout(MOMENT)
            with pytest.raises(TimeoutError):
                get(connection)

    def test_new_connections_are_accepted_and_get_no_answer(self, proxy: FaultyProxy) -> None:
        """It is the answer that does not come, not the connection."""
        proxy.hang()
        connections = proxy.connections
        with closing(HTTPConnection(address(proxy), timeout=PATIENCE)) as connection:
            connection.connect()
            connection.sock.settimeout(MOMENT)
            with pytest.raises(TimeoutError):
                get(connection)
        assert proxy.connections == connections + 1

    def test_a_boto3_client_runs_into_its_time_out(self, aws: LocalAws, proxy: FaultyProxy) -> None:
        """Which is what fieldcrypt sees."""
        proxy.hang()
        client = aws.client("kms", HOME, timedelta(seconds=MOMENT), endpoint_url=proxy.url)
        with pytest.raises((ReadTimeoutError, ConnectTimeoutError)):
            client.list_keys()

    def test_connections_that_hung_are_closed_when_it_ends(self, proxy: FaultyProxy) -> None:
        """A client without a time-out does not wait for ever."""
        with connect(proxy) as connection:
            proxy.hang()
            requests = proxy.requests
            ended: list[bool] = []

            def wait() -> None:
                with pytest.raises(ConnectionError):
                    get(connection)
                ended.append(True)

            thread = Thread(target=wait)
            thread.start()
            while proxy.requests == requests and thread.is_alive():
                pass  # until the request has arrived
            proxy.healthy()
            thread.join(PATIENCE)
            assert ended == [True]


class TestReset:
    def test_an_answer_breaks_off_in_the_middle(self, proxy: FaultyProxy, client: Any) -> None:
        """boto3 sees a connection that closed."""
        proxy.reset()
        with pytest.raises(ConnectionClosedError):
            client.list_keys()

    def test_it_is_over_when_it_is_over(self, proxy: FaultyProxy, client: Any) -> None:
        """The next request is answered."""
        proxy.reset()
        with pytest.raises(ConnectionClosedError):
            client.list_keys()
        proxy.healthy()
        client.list_keys()


class TestDelay:
    def test_an_answer_comes_late(self, proxy: FaultyProxy) -> None:
        """Not before the delay is over, and right."""
        with connect(proxy) as connection:
            proxy.delay(timedelta(seconds=0.2))
            start = perf_counter()
            assert get(connection) == 200
            assert perf_counter() - start >= 0.2


class TestAnswers:
    @pytest.mark.parametrize(
        ("switch", "code", "status"),
        [(FaultyProxy.error, "KMSInternalException", 500), (FaultyProxy.throttle, "ThrottlingException", 400)],
    )
    def test_boto3_reads_the_error(
        self, proxy: FaultyProxy, client: Any, switch: Callable[[FaultyProxy], None], code: str, status: int
    ) -> None:
        """As one that KMS itself gave."""
        switch(proxy)
        with pytest.raises(ClientError) as caught:
            client.list_keys()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_the_connection_stays_open(self, proxy: FaultyProxy) -> None:
        """An error ends no connection; the next answer comes over the same one."""
        with connect(proxy) as connection:
            connections = proxy.connections
            proxy.error()
            assert get(connection) == 500
            proxy.throttle()
            assert get(connection) == 400
            proxy.healthy()
            assert get(connection) == 200
            assert proxy.connections == connections


def test_a_server_that_is_lost_shows_as_a_connection_that_breaks(aws: LocalAws, client: Any) -> None:
    """The proxy itself goes on, and serves when the server is back."""
    aws.cut(HOME)
    try:
        with pytest.raises(ConnectionClosedError):
            client.list_keys()
    finally:
        aws.restore(HOME)
    client.list_keys()


def test_it_says_so_if_it_does_not_run() -> None:
    """Before the with statement, and after it."""
    with pytest.raises(RuntimeError, match="with statement"):
        FaultyProxy("http://127.0.0.1:1").hang()


def test_it_ends_with_its_parent() -> None:
    """A parent that is killed cleans nothing up; what its child reads ends, and so does the child."""
    program = "from fieldcrypt.testing import FaultyProxy\nwith FaultyProxy('http://x:1'): print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "\n"
        parent.kill()
        _, said = parent.communicate(timeout=PATIENCE)  # until the child, too, has closed the standard error they share
        assert said == ""


class TestFail:
    def test_any_error_of_aws_can_be_the_answer(self, proxy: FaultyProxy, client: Any) -> None:
        """With its code and its words."""
        proxy.fail("KMSInvalidStateException", "is 'pending import' \N{SNOWMAN}")
        with pytest.raises(ClientError, match="'pending import' \N{SNOWMAN}") as caught:
            client.list_keys()
        assert caught.value.response["Error"]["Code"] == "KMSInvalidStateException"


class TestForgetConnections:
    def test_a_connection_is_reset_when_it_is_used_again(self, proxy: FaultyProxy) -> None:
        """Not before: who holds it cannot tell."""
        with connect(proxy) as connection, connect(proxy) as other:
            proxy.forget_connections()
            with pytest.raises(ConnectionResetError):
                get(connection)
            with pytest.raises(ConnectionResetError):
                get(other)

    def test_new_connections_are_served(self, proxy: FaultyProxy) -> None:
        """The server is well."""
        with connect(proxy):
            proxy.forget_connections()
            with connect(proxy) as connection:
                assert get(connection) == 200


class TestLoseAnswer:
    def test_what_was_asked_for_is_done_and_not_answered(self, aws: LocalAws, proxy: FaultyProxy, client: Any) -> None:
        """Once: the next request is answered."""
        before = len(aws.kms(HOME).list_keys()["Keys"])
        proxy.lose_answer()
        with pytest.raises(ConnectionClosedError):
            client.create_key()
        assert len(client.list_keys()["Keys"]) == before + 1


class TestExpireCredentials:
    def test_those_seen_before_are_expired_and_others_are_not(self, aws: LocalAws, proxy: FaultyProxy) -> None:
        """Until the proxy is told that all is well."""
        old, new = (aws.client("kms", HOME, endpoint_url=proxy.url, access_key=name) for name in ("old", "new"))
        old.list_keys()
        proxy.expire_credentials()
        with pytest.raises(ClientError, match="ExpiredToken"):
            old.list_keys()
        new.list_keys()
        proxy.healthy()
        old.list_keys()
