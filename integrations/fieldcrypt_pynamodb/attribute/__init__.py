"""Attributes: the encrypted one, its companion for tags, and what they convert."""
