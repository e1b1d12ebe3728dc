"""What is allowed: ceilings on fan-out. Standing permissions of the person will live here."""
