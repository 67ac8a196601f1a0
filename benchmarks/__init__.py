"""What the gateway costs: the codec, the store and the daemon, each as a ratio measured in one run.

`python -m benchmarks` runs all of it; docs/benchmarks.md holds the figures and says what limits them. Nothing
here is part of the product, and nothing here is a timed test: machines are noisy, ratios less so.
"""
