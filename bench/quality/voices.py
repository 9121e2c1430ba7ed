"""What the benchmark says: sentences of espeak-ng in several voices, all equally loud."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pyebur128
from numpy.typing import NDArray

from bench.quality.traces import FRAME_MS
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ
from signaling.cli.sound.speech import speak

Sound = NDArray[np.float32]

SPEECH_LUFS = -23.0
NOISE_DBFS = -66.0  # what a quiet room leaves in a microphone
_EDGE_S = 0.3  # silence around a sentence

VOICES = ("en", "en-us+f3", "en-gb-scotland+m3", "en-us+f4")
SENTENCES = (
    "The committee will meet again on Thursday, and nobody has read the report yet.",
    "Please close the window before you leave the house tonight, it is going to rain.",
    "My sister plays the violin in a small orchestra somewhere near the coast.",
    "A large grey bird sat on the wooden fence and watched the fishing boats.",
    "We counted seventeen people in the queue, and most of them were asleep.",
    "If the train is late once more, I shall write a very long letter.",
    "The recipe asks for two cups of sugar, but one of them is quite enough.",
    "Nobody expected the old bridge to hold for another hundred years.",
)


@dataclass(frozen=True)
class Sentence:
    """A number of SENTENCES, spoken by a voice."""

    voice: str
    text: str


def cast(n: int = len(SENTENCES)) -> list[Sentence]:
    """The first `n` sentences, the voices in turn."""
    return [Sentence(VOICES[i % len(VOICES)], SENTENCES[i % len(SENTENCES)]) for i in range(n)]


@functools.cache
def clean(sentence: Sentence) -> Sound:
    """At −23 LUFS, with a little silence around it. Mono float32 at 48 kHz; read-only."""
    sound = speak(sentence.text, voice=sentence.voice, words_per_minute=160)
    edge = np.zeros(int(_EDGE_S * RATE_HZ), np.float32)
    found = np.concatenate([edge, at_loudness(sound, SPEECH_LUFS), edge])
    found.flags.writeable = False
    return found


@functools.cache
def spoken(sentence: Sentence) -> Sound:
    """The same in a quiet room.

    espeak-ng's breath is random: figures move in the third decimal from run to run.
    """
    found = with_room_noise(clean(sentence))
    found.flags.writeable = False
    return found


def loudness_lufs(sound: Sound) -> float:
    """Integrated loudness (EBU R 128)."""
    meter = pyebur128.R128State(1, RATE_HZ, pyebur128.MeasurementMode.MODE_I)
    meter.add_frames(np.ascontiguousarray(sound, np.float32), len(sound))
    return float(pyebur128.get_loudness_global(meter))


def at_loudness(sound: Sound, lufs: float) -> Sound:
    return np.asarray(sound * 10 ** ((lufs - loudness_lufs(sound)) / 20), np.float32)


def with_room_noise(sound: Sound, seed: int = 0) -> Sound:
    noise = np.random.default_rng(seed).standard_normal(len(sound)) * 10 ** (NOISE_DBFS / 20)
    return np.asarray(sound + noise, np.float32)


@functools.cache
def monologue(n_frames: int, voice: str = VOICES[0], seed: int = 0) -> Sound:
    """So many frames of one person who speaks on and on, with pauses of 0.2 to 1 s. Do not write to it."""
    rng = np.random.default_rng(seed)
    said = [spoken(Sentence(voice, text)) for text in SENTENCES]
    parts: list[Sound] = []
    left = n_frames * FRAME_SAMPLES
    while left > 0:
        sentence = said[int(rng.integers(len(said)))]
        pause = with_room_noise(np.zeros(int(rng.uniform(0, 0.6) * RATE_HZ), np.float32), len(parts))
        parts += [sentence, pause]
        left -= len(sentence) + len(pause)
    found = np.concatenate(parts)[: n_frames * FRAME_SAMPLES]
    found.flags.writeable = False
    return found


def seconds(n_frames: int) -> float:
    return n_frames * FRAME_MS / 1000
