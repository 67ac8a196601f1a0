"""Fuzz the reader of APDUs in JSON.

python -m fuzz.json -max_total_time=600
"""

from fuzz import running

with running.instrumented():
    from fuzz import mutation, properties, seeds

if __name__ == "__main__":
    running.run("json", properties.text, seeds.texts(), mutation.mutate_text)
