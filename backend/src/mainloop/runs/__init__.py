"""The runner protocol, seen from the server: who lives, what they report, what is open for them."""
