"""What `@encrypted` does to a mapped class: its attributes open sealed values, and load the key of their row."""
