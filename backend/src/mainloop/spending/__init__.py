"""What agents use, what it costs, and the ceilings that nothing runs past."""
