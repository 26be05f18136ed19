"""A Spark job that reports on encrypted patients. See README.md here."""
