"""`fieldcrypt migrate`: the steps of migrations, and their reports."""
