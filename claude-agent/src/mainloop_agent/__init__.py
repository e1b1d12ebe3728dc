"""mainloop's runner: one process beside one agent. Drives it, decides about its tools, reports to the server."""

VERSION = "0.1.0"
