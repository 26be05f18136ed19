"""What infrastructure/ has, beside what the code would make."""
