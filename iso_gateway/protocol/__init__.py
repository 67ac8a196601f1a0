"""The ISO 10160 protocol machine: data and pure functions.

This package must not import asyncio, socket, time, random, a database or any other part of the gateway: it
never does I/O and never reads a clock. What it knows of ISO 10160/10161-1 is a reconstruction from public
sources (docs/protocol.md); rows marked inferred say so wherever they are used.
"""
