"""What becomes of a table that is migrated while others write to it, and that is killed now and then."""
