"""A shop on one DynamoDB table: users, orders and products, synchronous and asynchronous. See README.md."""

from fieldcrypt import Encryptor

encryptor = Encryptor()  # configured when the application starts: encryptor.configure(provider, store)
