"""What waits for the person: each thing once, with one answer."""
