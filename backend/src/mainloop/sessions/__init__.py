"""The story of a session: start, work, wait, deliver, end."""
