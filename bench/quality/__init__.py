"""How the sound fares: jitter buffers side by side, loss and its recovery, mixing, passing through.

`python -m bench.quality --json` runs all of it in virtual time and prints figures, conditions and a verdict
for each bar.
"""
