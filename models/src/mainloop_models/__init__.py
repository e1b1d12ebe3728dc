"""The language between server and runner, in pydantic; one module reads shell commands for both.

What the browser sees is generated from the API.
"""
