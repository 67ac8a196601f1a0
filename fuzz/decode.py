"""Fuzz the decoder: every dialect, both readers, pyasn1, the encoder, JSON, rules and extensions.

python -m fuzz.decode -max_total_time=600
"""

from fuzz import running

with running.instrumented():
    from fuzz import mutation, properties, seeds

if __name__ == "__main__":
    running.run("decode", properties.decoding_mostly, seeds.apdus(), mutation.mutate)
