"""The language between server and runner. Imports pydantic only; what the browser sees is generated from the API."""
