"""A service whose keys and values are watched: metrics, a dashboard and alert rules."""
