"""What is left of speech when packets are lost: concealed, by in-band FEC, by copies some frames later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from bench.quality.ours import datagram, ours, packets_of
from bench.quality.scores import LOOKAHEAD_SAMPLES, pesq
from bench.quality.traces import FRAME_MS, Losses, Trace, gilbert_losses, random_losses
from bench.quality.verdicts import Part, Verdict, at_least
from bench.quality.voices import Sentence, Sound, cast, spoken
from signaling.cli.sound.samples import FRAME_SAMPLES
from spacecore import Encoder

KBPS: Final = 32
SHARES: Final = (0.0, 0.02, 0.05, 0.1, 0.2)
MODELS: Final[dict[str, Callable[[int, float, int], Losses]]] = {
    "random": random_losses,
    "gilbert": gilbert_losses,
}
# Where the copy rides, in frames after the frame itself; 0: nowhere.
MODES: Final = {"plc": 0, "lbrr": 0, "copy1": 1, "copy2": 2, "lbrr+copy2": 2}
SEEDS: Final = 5  # of the share that has a bar; the others have SEEDS_BESIDE
SEEDS_BESIDE: Final = 2
BAR_SHARE: Final = 0.1
FIRST_SEED: Final = 1000

# The sentence begins anew after its first 1.5 s, so that the receiver knows the network by then.
_WARM_FRAMES: Final = 75
_TRANSIT_MS: Final = 7.0


def measure(
    *,
    sentences: int = 8,
    shares: Sequence[float] = SHARES,
    models: Sequence[str] = tuple(MODELS),
    seeds: int | None = None,
) -> Part:
    """A row for each model, share and way of recovery: the mean over sentences and seeds."""
    spoken_ones = cast(sentences)
    rows = []
    for model in models:
        for share in shares:
            if share == 0 and model != models[0]:
                continue  # nothing lost is the same in all models
            n = seeds or (
                1 if share == 0 else SEEDS if share == BAR_SHARE and model == "random" else SEEDS_BESIDE
            )
            rows += [_row(model, share, mode, spoken_ones, n) for mode in MODES]
    return Part({"loss": rows}, verdicts(rows), [])


def _row(model: str, share: float, mode: str, sentences: Sequence[Sentence], seeds: int) -> dict[str, Any]:
    scores: list[float] = []
    played: list[float] = []
    rates: list[float] = []
    scaled = 0
    for number, sentence in enumerate(sentences):
        sound = spoken(sentence)
        said = np.concatenate([sound[: _WARM_FRAMES * FRAME_SAMPLES], sound])
        sent = _datagrams(said, mode, share)
        rates.append(8 * float(np.mean([len(each) for each in sent])) / FRAME_MS)
        for draw in range(seeds):
            # No two runs of a row lose the same frames, but all ways of recovery do.
            lost = MODELS[model](len(sent), share, FIRST_SEED + number * seeds + draw)
            lost[:1] = False
            run = ours(Trace(mode, np.full(len(sent), _TRANSIT_MS), lost), sent)
            heard, was_scaled = _measured_part(run.sound, run.seqs, run.scaled_at)
            scaled += was_scaled
            scores.append(pesq(sound, heard))
            played.append(float(np.mean([status in ("frame", "recovered") for status in run.statuses])))
    return {
        "model": model,
        "loss_pct": 100 * share,
        "mode": mode,
        "kbps": float(np.mean(rates)),
        "pesq": float(np.mean(scores)),
        "pesq_worst": min(scores),
        "played_pct": 100 * float(np.mean(played)),
        "runs": len(scores),
        "runs_time_scaled": scaled,
    }


def _datagrams(sound: Sound, mode: str, share: float) -> list[bytes]:
    """At 32 kbit/s for the packets themselves; copies come on top."""
    with_fec = mode.startswith("lbrr")
    encoder = Encoder(
        bitrate_bps=KBPS * 1000, fec=with_fec, loss_pct=round(100 * share) if with_fec else 0, dtx=False
    )
    packets = packets_of(sound, encoder)
    return [datagram(packets, i, MODES[mode]) for i in range(len(packets))]


def _measured_part(sound: Sound, seqs: Sequence[int | None], scaled_at: Sequence[int]) -> tuple[Sound, bool]:
    """The sound from the frame on with which the sentence begins, and whether its tempo was changed there."""
    first = next(i for i, seq in enumerate(seqs) if seq is not None and seq >= _WARM_FRAMES)
    start = first * FRAME_SAMPLES + LOOKAHEAD_SAMPLES
    return sound[start:], any(i >= first for i in scaled_at)


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    """For one packet in ten lost at random."""
    found = {row["mode"]: row["pesq"] for row in rows if (row["model"], row["loss_pct"]) == ("random", 10.0)}
    if not found:
        return []
    return [
        at_least("10 % random loss, in-band FEC: PESQ", found["lbrr"], 3.2),
        at_least("10 % random loss, in-band FEC above none: PESQ", found["lbrr"] - found["plc"], 1.0),
        at_least("10 % random loss, one copy: PESQ", found["copy1"], 3.8),
    ]
