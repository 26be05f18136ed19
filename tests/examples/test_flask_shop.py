"""The marketplace on Flask: asked in this process, and by gunicorn's forked workers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from examples.flask_shop.app import create_app
from examples.flask_shop.models import Merchant, db, encryptor
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from tests.examples.program import environment, running
from tests.support.doubles import CountingProvider, outage
from tests.support.servers import until

ANN = {"name": "Ann Archer", "address": "1 Long Street", "phone": "+1 555 0100"}


@pytest.fixture
def shop(database: Any, provider: CountingProvider) -> Iterator[Any]:
    """The application over an empty PostgreSQL, and its key provider."""
    engine = database("postgresql")
    app = create_app(engine.url.render_as_string(hide_password=False), provider)
    with app.app_context():
        db.session.add_all([Merchant(id="tea"), Merchant(id="books")])
        db.session.commit()
        yield SimpleNamespace(client=app.test_client(), engine=engine, provider=provider)
        db.session.remove()
        db.engine.dispose()
    encryptor.close()


def test_a_customer_is_found_by_the_last_digits_of_the_telephone(shop: Any) -> None:
    added = shop.client.post("/tea/customers", json=ANN)
    assert added.status_code == 201
    assert shop.client.get("/tea/customers/by-phone/0100").json == [added.json]
    assert shop.client.get("/books/customers/by-phone/0100").json == []


def test_a_page_shows_what_the_list_needs_and_no_address(shop: Any) -> None:
    added = shop.client.post("/tea/customers", json=ANN).json
    assert shop.client.get("/tea/customers").json == {"customers": [added], "pages": 1}
    assert shop.client.get(f"/tea/customers/{added['id']}").json == {**added, "address": ANN["address"]}


def test_the_database_has_ciphertext_alone(shop: Any) -> None:
    shop.client.post("/tea/customers", json=ANN)
    with shop.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM customers")).one()
    stored = b"".join(value for value in row if isinstance(value, bytes))
    assert stored
    assert not [value for value in ANN.values() if value.encode() in stored]


def test_a_merchant_that_does_not_exist_gets_no_data_key(shop: Any) -> None:
    assert shop.client.post("/nowhere/customers", json=ANN).status_code == 404
    assert shop.provider.wraps == 0


def test_an_outage_of_the_key_service_is_answered_and_logged_without_a_value(
    shop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop.client.post("/tea/customers", json=ANN)
    encryptor.forget()
    shop.provider.unwrap_failure = outage
    answers = [
        shop.client.get("/tea/customers"),
        shop.client.get("/tea/customers/by-phone/0100"),
        shop.client.post("/tea/customers", json=ANN),
    ]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert "no region answers" in caplog.text
    assert not [value for value in ANN.values() if value in caplog.text]


def test_a_merchant_that_was_shredded_is_gone(shop: Any) -> None:
    shop.client.post("/tea/customers", json=ANN)
    encryptor.data_keys.shred("tea", by="the end of the contract")
    assert shop.client.get("/tea/customers").status_code == 410


def test_forked_workers_of_gunicorn_read_with_the_keys_that_were_there_before_the_fork(
    database: Any, aws: LocalAws, kms_key: str
) -> None:
    """Two workers answer, and KMS is asked by neither: it was asked when the application was made."""
    url = database("postgresql").url.render_as_string(hide_password=False)
    provider = AwsKmsKeyProvider(kms_key, client_factory=aws.kms)
    app = create_app(url, provider)
    with app.app_context():
        db.session.add(Merchant(id="tea"))
        db.session.commit()
        app.test_client().post("/tea/customers", json=ANN)
        db.session.remove()
        db.engine.dispose()
    encryptor.close()
    with FaultyProxy(aws.endpoint("us-east-1")) as kms:
        arguments = ["--config", "examples/flask_shop/gunicorn.conf.py", "--bind", "127.0.0.1:0"]
        with running(
            "gunicorn",
            *arguments,
            "--access-logfile=-",
            "--access-logformat=by %(p)s",
            environment=environment(url, kms_key, kms.url),
        ) as server:
            home = server.until_it_says(r"Listening at: (http://\S+)")
            asked = kms.requests
            workers: set[str] = set()

            def both_answered() -> bool:
                with httpx2.Client() as client:  # a connection of its own, which either worker may take
                    assert client.get(f"{home}/tea/customers").json()["customers"][0]["name"] == ANN["name"]
                workers.update(re.findall(r"by <(\d+)>", server.said))
                return len(workers) == 2

            until(both_answered, "both workers have answered")
            assert (asked, kms.requests) == (2, 2)  # a data key and an index key
    assert server.status == 0
