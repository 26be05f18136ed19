"""What indexes tell an attacker at least: what known attacks find in a sample of the data."""
