"""What is allowed: ceilings on fan-out, and the standing permissions of the person."""
