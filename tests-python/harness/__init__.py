"""Starts real clusters from the built program and stops them by process id."""
