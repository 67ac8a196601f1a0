"""What the daemon does beside the messages: keeps time, wires mail and noticing, answers systemd, shares."""
