"""Key providers, which wrap and unwrap data keys: the protocol, local keys, chains, and keys per tenant."""
