"""What one APDU is, says and may: octets, identifiers, what its sender can take, what is held against it."""
