"""A live audio engine: Opus, jitter buffer, mixer and rooms, with no server, network or event loop.

All of it runs in virtual time: `now_us` is an argument, microseconds on any monotonic scale. PCM is 48 kHz
mono float32 in frames of 960 samples. `docs/embedding.md` has a first program.
"""

from spacecore._denoise import Denoiser
from spacecore._jitter import JitterBuffer
from spacecore._loudness import Loudness, true_peak
from spacecore._mixer import Gate, Limiter, Mixer, level_of
from spacecore._opus import (
    Decoder,
    Encoder,
    LibraryInfo,
    opus_library,
    packet_duration_samples,
    passable_packet,
)
from spacecore._packet import (
    DATAGRAM_MAX_BYTES,
    KIND_AUDIO,
    KIND_REPORT,
    Advice,
    AudioPacket,
    Report,
    datagram_kind,
    pack_audio,
    pack_audio_into,
    pack_report,
    parse_audio,
    parse_report,
    seq_newer,
)
from spacecore._receiver import Heard, Receiver, ReceiverStats
from spacecore._recovery import Recovery
from spacecore._space import FULL, MAX_SEATS, Space, SpaceStats, Tap, Tick, Trace
from spacecore._tap import TapFrame
from spacecore.errors import DenoiseError, OpusError, OpusLibraryError, PacketError, SeatError, SpacecoreError

__version__ = "0.1.0"

__all__ = [
    "DATAGRAM_MAX_BYTES",
    "FULL",
    "KIND_AUDIO",
    "KIND_REPORT",
    "MAX_SEATS",
    "Advice",
    "AudioPacket",
    "Decoder",
    "DenoiseError",
    "Denoiser",
    "Encoder",
    "Gate",
    "Heard",
    "JitterBuffer",
    "LibraryInfo",
    "Limiter",
    "Loudness",
    "Mixer",
    "OpusError",
    "OpusLibraryError",
    "PacketError",
    "Receiver",
    "ReceiverStats",
    "Recovery",
    "Report",
    "SeatError",
    "Space",
    "SpaceStats",
    "SpacecoreError",
    "Tap",
    "TapFrame",
    "Tick",
    "Trace",
    "__version__",
    "datagram_kind",
    "level_of",
    "opus_library",
    "pack_audio",
    "pack_audio_into",
    "pack_report",
    "packet_duration_samples",
    "parse_audio",
    "parse_report",
    "passable_packet",
    "seq_newer",
    "true_peak",
]
