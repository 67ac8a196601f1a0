"""Each way into the gateway and out of it: bytes and envelopes, no rule of the protocol.

Imports asn1 and config, nothing of iso_gateway.
"""
