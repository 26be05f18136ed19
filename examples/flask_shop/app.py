"""The application, which gunicorn loads before it forks its workers."""

from __future__ import annotations

import logging
import os

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from examples.flask_shop.customers import customers
from examples.flask_shop.models import Merchant, db, encryptor
from fieldcrypt import FieldcryptError, KeyProvider, KeyProviderError, KeyShreddedError, KeyStoreError
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt_sqlalchemy import SqlKeyStore

_log = logging.getLogger(__name__)


def create_app(database: str, provider: KeyProvider) -> Flask:
    """Return the application, with the data keys of its merchants, and without a connection.

    Args:
        database: its SQLAlchemy URL.
        provider: wraps and unwraps data keys.
    """
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database
    db.init_app(app)
    app.register_blueprint(customers)
    app.register_error_handler(FieldcryptError, _answer)
    app.register_error_handler(StatementError, _answer)
    with app.app_context():
        db.create_all()
        encryptor.configure(provider, SqlKeyStore(db.engine))
        try:
            encryptor.warm_up([*db.session.scalars(select(Merchant.id)), None])
        except FieldcryptError as error:
            _log.warning("started without all data keys: %s", error)
        db.session.remove()
        db.engine.dispose()  # the key store's too: workers that are forked from here must not share connections
    return app


def _answer(error: Exception) -> tuple[dict[str, str], int]:
    """Answer what went wrong with keys or values, without the reason, which goes to the log."""
    cause = error.orig if isinstance(error, StatementError) else error
    match cause:
        case KeyShreddedError():
            answer = {"error": "this was erased"}, 410
        case KeyProviderError(retryable=True) | KeyStoreError():
            answer = {"error": "please try again"}, 503
        case FieldcryptError():
            answer = {"error": "this cannot be done"}, 500
        case _:
            raise error
    _log.error("answered %d: %s: %s", answer[1], type(cause).__name__, cause)
    return answer


def production() -> Flask:
    """Return the application as the environment says."""
    return create_app(os.environ["DATABASE_URL"], AwsKmsKeyProvider(os.environ["KMS_KEY"]))
