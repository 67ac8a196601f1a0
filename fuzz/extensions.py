"""Fuzz the types of extensions, read and written on their own.

python -m fuzz.extensions -max_total_time=600
"""

from fuzz import running

with running.instrumented():
    from fuzz import mutation, properties, seeds

if __name__ == "__main__":
    running.run("extensions", properties.extension, seeds.extensions(), mutation.mutate)
