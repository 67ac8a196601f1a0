"""The wire: ISO 10161-1 abstract syntax as typed values, and the codec between bytes and APDUs.

Pure: no socket, no clock, no database, no asyncio, and nothing of the other packages of this project.
"""
