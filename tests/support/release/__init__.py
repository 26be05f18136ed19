"""What a release is checked with: every Python and dependency that it names, and what is uploaded."""
