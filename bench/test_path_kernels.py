"""The rest of a frame's way beside its plain reference: datagram, jitter buffer, and the codec by itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from spacecore import Decoder, Encoder, JitterBuffer, Receiver, pack_audio, parse_audio
from tests.oracles import packet_reference
from tests.oracles.jitter_reference import Frame, JitterModel
from tests.signals import frames, voice

Call = Callable[[], object]

FRAME_BYTES = 120
TICK_US = 20_000


def datagram() -> tuple[bytes, packet_reference.Audio]:
    audio = packet_reference.Audio(
        seq=7, timestamp=6720, level=20, new=(bytes(range(FRAME_BYTES)),), seats=(3, 1)
    )
    return packet_reference.pack_audio(audio), audio


def parse_pair() -> tuple[Call, Call]:
    data, _ = datagram()
    return lambda: parse_audio(data, True), lambda: packet_reference.parse_audio(data, True)


def pack_pair() -> tuple[Call, Call]:
    _, audio = datagram()
    native = lambda: pack_audio(audio.new, seq=7, timestamp=6720, level=20, seats=(3, 1))  # noqa: E731
    return native, lambda: packet_reference.pack_audio(audio)


def jitter_pair() -> tuple[Call, Call]:
    """A frame put and a frame pulled, on a stream without loss."""
    buffer, model, payload = JitterBuffer(), JitterModel(), bytes(FRAME_BYTES)
    native_seq, model_seq = count(), count()

    def native() -> None:
        seq = next(native_seq)
        buffer.put(seq & 0xFFFF, (seq * 960) & 0xFFFFFFFF, payload, seq * TICK_US)
        buffer.pull(seq * TICK_US + 1000)

    def plain() -> None:
        seq = next(model_seq)
        model.put(Frame(seq=seq, timestamp=seq * 960, payload=payload), seq * TICK_US)
        model.pull(seq * TICK_US + 1000)

    return native, plain


PAIRS: dict[str, Callable[[], tuple[Call, Call]]] = {
    "parse a datagram": parse_pair,
    "pack a datagram": pack_pair,
    "jitter buffer, put and pull": jitter_pair,
}


@pytest.mark.parametrize("contender", ["native", "reference"])
@pytest.mark.parametrize("kernel", PAIRS)
def test_kernel(kernel: str, contender: str, benchmark: Any) -> None:
    benchmark.group = kernel
    native, plain = PAIRS[kernel]()
    benchmark.pedantic(native if contender == "native" else plain, rounds=200, iterations=20, warmup_rounds=5)


@pytest.mark.parametrize("complexity", [0, 5, 9])
def test_encode(complexity: int, benchmark: Any) -> None:
    benchmark.group = "encode 20 ms, voip 48 kbit/s"
    encoder = Encoder(bitrate_bps=48_000, complexity=complexity, dtx=False)
    sounds = frames(voice(1, 4.0))
    turn = count()
    benchmark.pedantic(lambda: encoder.encode(sounds[next(turn) % len(sounds)]), rounds=200, iterations=5)


@pytest.mark.parametrize("what", ["decode", "conceal"])
def test_decode(what: str, benchmark: Any) -> None:
    benchmark.group = "decode 20 ms, voip 48 kbit/s"
    encoder, decoder = Encoder(bitrate_bps=48_000, dtx=False), Decoder()
    packets = [encoder.encode(pcm) for pcm in frames(voice(1, 4.0))]
    turn = count()
    decoder.decode(packets[0])
    step = (
        (lambda: decoder.decode(packets[next(turn) % len(packets)])) if what == "decode" else decoder.conceal
    )
    benchmark.pedantic(step, rounds=200, iterations=5)


def test_a_receiver_hears_a_frame(benchmark: Any) -> None:
    """Datagram to PCM, as a client does it every 20 ms."""
    benchmark.group = "receive 20 ms: parse, buffer, decode"
    encoder, receiver = Encoder(bitrate_bps=48_000, dtx=False), Receiver(down=False)
    packets = [encoder.encode(pcm) for pcm in frames(voice(1, 4.0))]
    turn = count()

    def hear() -> None:
        seq = next(turn)
        packed = pack_audio(
            [packets[seq % len(packets)]], seq=seq & 0xFFFF, timestamp=seq * 960 & 0xFFFFFFFF, level=20
        )
        receiver.put(packed, seq * TICK_US)
        receiver.pull(seq * TICK_US + 1000)

    benchmark.pedantic(hear, rounds=200, iterations=5)
    assert np.isfinite(receiver.stats.delay_ms)
