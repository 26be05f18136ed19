"""gunicorn --config examples/flask_shop/gunicorn.conf.py"""

wsgi_app = "examples.flask_shop.app:production()"
preload_app = True  # made once, with its data keys, and forked: workers ask KMS for nothing when they start
workers = 2
threads = 4
timeout = 30
