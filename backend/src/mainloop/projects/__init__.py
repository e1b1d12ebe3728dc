"""Repositories mainloop knows, each with a mirror of its own."""
