"""One talker passed through instead of mixed: generations of loss, changes of talkers, CPU of the engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.quality.ours import datagram
from bench.quality.room import LISTENER, START_US, play, room, speech_packets
from bench.quality.scores import LOOKAHEAD_SAMPLES, lags_ms, pesq
from bench.quality.traces import FRAME_MS
from bench.quality.verdicts import Part, Verdict, at_least, at_most
from bench.quality.voices import SENTENCES, Sentence, Sound, cast, clean, monologue, spoken
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ
from spacecore import Decoder

RATES_KBPS: Final = (32, 48)
WORST_SEAM: Final = {32: 3.7, 48: 4.0}
SAME_WITHIN: Final = 0.05
CPU_SHARE: Final = 0.25
ANNE: Final = 1
BILL: Final = 2
_VOICES: Final = {ANNE: "en-us+f3", BILL: "en"}
_OVERLAPS_S: Final = (-0.3, 0.4, 0.0)  # of one turn into the next, in turns; below 0 it is a pause
_WINDOW_S: Final = 3.0
_LEAST_SPEECH_RMS: Final = 0.01


def measure(
    *, sentences: int = 8, turns: int = 13, cpu_ticks: int = 1500, rates: Sequence[int] = RATES_KBPS
) -> Part:
    """Rows `single` (a talker alone), `turns` (two who take turns) and `cpu`."""
    rows = []
    for kbps in rates:
        rows += single(kbps, sentences)
        rows += taking_turns(kbps, turns)
    rows.append(cpu(cpu_ticks))
    return Part({"passthrough": rows}, verdicts(rows), [])


def single(kbps: int, sentences: int) -> list[dict[str, Any]]:
    """One who talks alone: as they encoded it themselves, passed on, and mixed.

    Each sentence is said twice, and the second time counts: by then the jitter buffers know the network.
    """
    scores: dict[str, list[float]] = {"own": [], "passed": [], "mixed": []}
    for sentence in cast(sentences):
        sound = spoken(sentence)
        packets = speech_packets(np.concatenate([sound, sound]), kbps * 1000)
        scores["own"].append(pesq(sound, decoded(packets)[len(sound) + LOOKAHEAD_SAMPLES :]))
        for path in ("passed", "mixed"):
            space = room(ANNE, bitrate_bps=kbps * 1000, pass_through=path == "passed")
            heard = play(space, {ANNE: packets})[LISTENER].sound
            scores[path].append(pesq(sound, second_time(sound, heard)))
    return [
        {"kind": "single", "kbps": kbps, "path": path, "pesq": float(np.mean(found)), "worst": min(found)}
        for path, found in scores.items()
    ]


def decoded(packets: Sequence[tuple[bytes, int]]) -> Sound:
    """By a decoder of one's own, without any room."""
    decoder = Decoder()
    return np.concatenate([np.frombuffer(decoder.decode(packet), np.float32) for packet, _ in packets])


def second_time(sound: Sound, heard: Sound) -> Sound:
    """What was heard from the moment on at which the sentence begins for the second time."""
    begins_s = len(sound) / RATE_HZ
    lags = [lag for at_s, lag in lags_ms(np.concatenate([sound, sound]), heard) if at_s > begins_s + 1]
    shift = LOOKAHEAD_SAMPLES + (round(float(np.median(lags)) * RATE_HZ / 1000) if lags else 0)
    return heard[len(sound) + shift :]


@dataclass(frozen=True)
class Talk:
    """Two people who take turns: what each says, and when (in samples) the turns begin."""

    said: dict[int, Sound]
    begins: list[int]


def talk(turns: int) -> Talk:
    """Turns of one sentence each, with a pause, an overlap, or neither between them.

    Nobody's room makes a noise: a room's gate leaves that out, which is meant, and costs PESQ half a point.
    """
    begins, at = [], 0
    pieces = []
    for turn in range(turns):
        seat = (ANNE, BILL)[turn % 2]
        sentence = clean(Sentence(_VOICES[seat], SENTENCES[turn % len(SENTENCES)]))
        begins.append(at)
        pieces.append((seat, at, sentence))
        at += len(sentence) - int(_OVERLAPS_S[turn % len(_OVERLAPS_S)] * RATE_HZ)
    n = -(-(at + RATE_HZ) // FRAME_SAMPLES) * FRAME_SAMPLES
    said = {seat: np.zeros(n, np.float32) for seat in (ANNE, BILL)}
    for seat, start, sentence in pieces:
        said[seat][start : start + len(sentence)] += sentence
    return Talk(said, begins[1:])


def taking_turns(kbps: int, turns: int) -> list[dict[str, Any]]:
    """What a listener hears, and each of the two of the other, in the 3 s around each change.

    Path `own` is what decoders of their own, one for each talker, would give.
    """
    conversation = talk(turns)
    packets = {seat: speech_packets(sound, kbps * 1000) for seat, sound in conversation.said.items()}
    alone = {seat: decoded(each) for seat, each in packets.items()}
    rows = []
    for path in ("own", "passed", "mixed"):
        if path == "own":
            heard = {LISTENER: alone[ANNE] + alone[BILL], ANNE: alone[BILL], BILL: alone[ANNE]}
        else:
            space = room(ANNE, BILL, bitrate_bps=kbps * 1000, pass_through=path == "passed")
            heard = {who: ear.sound for who, ear in play(space, packets, ears=(LISTENER, ANNE, BILL)).items()}
        scores = seams(conversation, heard)
        rows += [
            _turns_row(kbps, path, "listener", scores[LISTENER]),
            _turns_row(kbps, path, "speakers", scores[ANNE] + scores[BILL]),
        ]
    return rows


def _turns_row(kbps: int, path: str, ear: str, scores: Sequence[float]) -> dict[str, Any]:
    return {
        "kind": "turns",
        "kbps": kbps,
        "path": path,
        "ear": ear,
        "pesq": float(np.mean(scores)),
        "pesq_worst": min(scores),
        "seams": len(scores),
    }


def seams(conversation: Talk, heard: Mapping[int, Sound]) -> dict[int, list[float]]:
    """For each ear the scores of all changes around which it hears enough to be judged."""
    anne, bill = conversation.said[ANNE], conversation.said[BILL]
    sources = {LISTENER: anne + bill, ANNE: bill, BILL: anne}
    scores = {
        who: [seam(sources[who], sound, at) for at in conversation.begins] for who, sound in heard.items()
    }
    return {who: [each for each in found if each is not None] for who, found in scores.items()}


def seam(source: Sound, heard: Sound, at: int) -> float | None:
    """PESQ of the 3 s around a change; None where hardly anything is said in them."""
    half = int(_WINDOW_S / 2 * RATE_HZ)
    first = max(0, at - half)
    reference = source[first : at + half]
    if np.sqrt(np.mean(reference**2)) < _LEAST_SPEECH_RMS:
        return None
    near = source[: at + 2 * half], heard[: at + 3 * half]
    lags = [(abs(at_s - at / RATE_HZ), lag) for at_s, lag in lags_ms(*near)]
    shift = LOOKAHEAD_SAMPLES + (round(min(lags)[1] * RATE_HZ / 1000) if lags else 0)
    return pesq(reference, heard[first + shift : at + half + shift])


def cpu(ticks: int) -> dict[str, Any]:
    """Engine CPU of a room of 5 seats in which one talks: µs a tick, the least of three runs."""
    packets = speech_packets(monologue(ticks), 32_000, complexity=5)
    datagrams = [datagram(packets, i, up=True) for i in range(ticks)]
    spent = {is_passed: min(_tick_us(datagrams, is_passed) for _ in range(3)) for is_passed in (True, False)}
    return {
        "kind": "cpu",
        "passed_us_per_tick": spent[True],
        "mixed_us_per_tick": spent[False],
        "share": spent[True] / spent[False],
    }


def _tick_us(datagrams: Sequence[bytes], is_passed: bool) -> float:
    space = room(*range(5), bitrate_bps=48_000, pass_through=is_passed)
    spent_ns = 0
    for i, packet in enumerate(datagrams):
        now_us = START_US + i * FRAME_MS * 1000
        began_ns = time.thread_time_ns()
        space.put(0, packet, now_us)
        space.tick(now_us + 10_000)
        spent_ns += time.thread_time_ns() - began_ns
    return spent_ns / len(datagrams) / 1000


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    found = []
    by_path = {(row["kbps"], row["path"]): row["pesq"] for row in rows if row["kind"] == "single"}
    for kbps in {kbps for kbps, _ in by_path}:
        lost = by_path[kbps, "own"] - by_path[kbps, "passed"]
        found.append(at_most(f"{kbps} kbit/s, one talker: PESQ lost in the room", lost, SAME_WITHIN))
    for row in rows:
        if row["kind"] == "turns" and row["path"] == "passed":
            name = f"{row['kbps']} kbit/s, {row['ear']}: PESQ of the worst change of talkers"
            found.append(at_least(name, row["pesq_worst"], WORST_SEAM[row["kbps"]]))
        if row["kind"] == "cpu":
            found.append(at_most("engine CPU passed on, as a share of mixed", row["share"], CPU_SHARE))
    return found
