"""Short, durable, repeatable work on DBOS: a phase is one step in the life of something and takes seconds."""
