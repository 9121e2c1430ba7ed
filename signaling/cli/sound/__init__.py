"""Sound for the commands: files to speak from, a spoken sentence, files and loudspeakers to hear with.

Everywhere 48 kHz mono float32 in [-1, 1]; a frame is 960 samples, 20 ms.
"""
