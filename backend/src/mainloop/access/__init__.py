"""Who may come in: pairing, devices, their keys."""
