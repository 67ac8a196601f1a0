"""Fuzz the framer: one stream, cut in many ways.

python -m fuzz.framing -max_total_time=600
"""

from fuzz import running

with running.instrumented():
    from fuzz import properties, seeds

if __name__ == "__main__":
    running.run("framing", properties.framing, seeds.streams())
