"""Coverage-guided fuzzing of everything that reads octets from the network: fuzz/README.md says how."""
