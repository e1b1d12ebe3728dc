"""“Tell me when …”: what the person wants to be told of a session, looked at when something happens in it."""
