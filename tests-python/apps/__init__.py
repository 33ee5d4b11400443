"""Applications on Everstore: programs as they are written for Redis, run while leaders are lost."""
