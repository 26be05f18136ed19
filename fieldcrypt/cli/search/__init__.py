"""`fieldcrypt search`: what indexes tell, and cost."""
