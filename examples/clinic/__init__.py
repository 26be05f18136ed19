"""A clinic's service. See ../README.md."""

from fieldcrypt import Encryptor

encryptor = Encryptor()  # the declarations need one; `create_app` gives it its keys
