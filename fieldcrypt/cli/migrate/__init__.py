"""`fieldcrypt migrate`: steps of migrations and their reports."""
