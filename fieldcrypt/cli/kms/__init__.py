"""`fieldcrypt kms`: KMS keys and their policies."""
