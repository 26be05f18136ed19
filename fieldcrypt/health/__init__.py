"""Whether an Encryptor can work now, and for how long it will."""
