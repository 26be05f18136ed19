"""The application, which gunicorn loads before it forks its workers."""

from __future__ import annotations

import logging
import os

from flask import Flask
from sqlalchemy import select

from examples.flask_shop.customers import customers
from examples.flask_shop.models import Merchant, db, encryptor
from fieldcrypt import FieldcryptError, KeyProviderError, KeyShreddedError, KeyStoreError
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore

_log = logging.getLogger(__name__)


def create_app(database: str, keys: Settings) -> Flask:
    """Return the application, with the data keys of its merchants, and without a connection.

    Args:
        database: its SQLAlchemy URL.
        keys: where keys come from. They are stored in the same database.
    """
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database
    db.init_app(app)
    app.register_blueprint(customers)
    app.register_error_handler(FieldcryptError, _answer)
    with app.app_context():
        db.create_all()  # Alembic in production
        keys.configure(encryptor, store=SqlKeyStore(db.engine))
        try:
            encryptor.warm_up([*db.session.scalars(select(Merchant.id)), None])
        except FieldcryptError as error:
            _log.warning("started without all data keys: %s", error)
        db.session.remove()
        db.engine.dispose()  # the key store's too: workers that are forked from here must not share connections
    return app


def _answer(error: FieldcryptError) -> tuple[dict[str, str], int]:
    """Answer what went wrong with keys or values, without the reason, which goes to the log."""
    match error:
        case KeyShreddedError():
            answer = {"error": "this was erased"}, 410
        case KeyProviderError(retryable=True) | KeyStoreError():
            answer = {"error": "please try again"}, 503
        case _:
            answer = {"error": "this cannot be done"}, 500
    _log.error("answered %d: %s: %s", answer[1], type(error).__name__, error)
    return answer


def production() -> Flask:
    """Return the application as the environment says."""
    return create_app(os.environ["DATABASE_URL"], Settings.from_environment())
