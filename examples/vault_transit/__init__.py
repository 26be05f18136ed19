"""A key provider for HashiCorp Vault: README.md says what to set up."""
