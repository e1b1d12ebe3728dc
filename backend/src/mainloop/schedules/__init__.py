"""What is to be done at a time: once, or again and again."""
