"""Changes: what a session's work has become, compared with where it began."""
