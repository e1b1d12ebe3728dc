"""One suite per slot, passed by every adapter. Subclass it in a test file and give it its fixtures."""
