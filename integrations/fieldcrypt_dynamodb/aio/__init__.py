"""The wrappers for aioboto3 and aiobotocore. Neither is imported here."""
