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
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy
from tests.examples.program import running
from tests.support.servers import until

ANN = {"name": "Ann Archer", "address": "1 Long Street", "phone": "+1 555 0100"}


@pytest.fixture
def shop(database: Any, keys: Settings, kms: FaultyProxy) -> Iterator[Any]:
    """The application over an empty PostgreSQL, and KMS."""
    engine = database("postgresql")
    app = create_app(engine.url.render_as_string(hide_password=False), keys)
    with app.app_context():
        db.session.add_all([Merchant(id="tea"), Merchant(id="books")])
        db.session.commit()
        yield SimpleNamespace(client=app.test_client(), engine=engine, keys=keys, kms=kms)
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
    assert shop.kms.requests == 0


def test_an_outage_of_the_key_service_is_answered_and_logged_without_a_value(
    shop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop.client.post("/tea/customers", json=ANN)
    encryptor.forget()
    shop.kms.refuse()
    answers = [
        shop.client.get("/tea/customers"),
        shop.client.get("/tea/customers/by-phone/0100"),
        shop.client.post("/tea/customers", json=ANN),
    ]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert "KMS could not unwrap" in caplog.text
    assert not [value for value in ANN.values() if value in caplog.text]


def test_a_merchant_that_was_shredded_is_gone(shop: Any) -> None:
    shop.client.post("/tea/customers", json=ANN)
    encryptor.data_keys.shred("tea", by="the end of the contract")
    assert shop.client.get("/tea/customers").status_code == 410


def test_forked_workers_of_gunicorn_read_with_the_keys_that_were_there_before_the_fork(shop: Any) -> None:
    """Two workers answer, and neither asks KMS: it was asked when the application was made."""
    shop.client.post("/tea/customers", json=ANN)
    before = shop.kms.requests
    url = shop.engine.url.render_as_string(hide_password=False)
    variables = {"DATABASE_URL": url, "FIELDCRYPT_PROVIDER": shop.keys.provider}
    arguments = ["--config=examples/flask_shop/gunicorn.conf.py", "--bind=127.0.0.1:0"]
    log = ["--access-logfile=-", "--access-logformat=by %(p)s"]
    with running("gunicorn", *arguments, *log, environment=variables) as server:
        home = server.until_it_says(r"Listening at: (http://\S+)")

        def both_answered() -> bool:
            with httpx2.Client() as client:  # a connection of its own, which either worker may take
                assert client.get(f"{home}/tea/customers").json()["customers"][0]["name"] == ANN["name"]
            return len(set(re.findall(r"by <(\d+)>", server.said))) == 2

        until(both_answered, "both workers have answered")
        assert shop.kms.requests - before == 2  # a data key and an index key
        server.stop()
    assert server.status == 0
