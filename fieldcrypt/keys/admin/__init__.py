"""What those do with data keys who look after them. Internal; `Encryptor.data_keys` is the way to it."""
