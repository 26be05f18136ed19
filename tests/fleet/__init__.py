"""The last release and this version at once, as in a fleet that is being upgraded. See docs/guides/upgrading.md."""
