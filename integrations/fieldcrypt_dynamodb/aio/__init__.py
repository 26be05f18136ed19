"""The wrappers of what aioboto3 and aiobotocore give. Neither is imported here."""
