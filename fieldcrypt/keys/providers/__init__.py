"""Key providers: what wraps and unwraps data keys."""
