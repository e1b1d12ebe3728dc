"""The edge: who asks, problems in words, the event stream, the page's files."""
