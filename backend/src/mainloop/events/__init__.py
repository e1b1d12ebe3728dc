"""The log: what happened, numbered without gaps, announced and read again by cursor."""
