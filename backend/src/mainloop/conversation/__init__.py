"""The main thread: the one conversation of this installation, and what every conversation shares."""
