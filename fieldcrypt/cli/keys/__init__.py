"""`fieldcrypt keys`: what there is, and every change of it."""
