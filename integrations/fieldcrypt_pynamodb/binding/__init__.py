"""What a model's values are bound to: the item's key, its tenant, and its tags."""
