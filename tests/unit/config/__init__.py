"""Tests of config: what is accepted, and what is said of what is not."""
