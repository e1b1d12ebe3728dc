"""Tables, engine and migrations; nobody above this folder knows which database it is."""
