"""What indexes tell an attacker, computed on a sample of the data: attacks that are known, and so a lower bound."""
