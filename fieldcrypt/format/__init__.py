"""The wire format of SPEC.md: values, contexts, encodings and the cipher."""
