"""SQLAlchemy's own tests of types, run with every column encrypted. test_type_suite.py runs and judges them.

They need SQLAlchemy's pytest plugin, which changes how tests are collected, so they run in a process of their own.
"""
