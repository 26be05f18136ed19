"""The state machine of a migration, once for all stores: a store brings a `Source` and a `Journal`."""
