"""Files to speak from and to write to, spoken sentences, loudspeaker and microphone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import types
from pathlib import Path

import av
import espeakng_loader
import numpy as np
import pytest

from signaling.cli.failures import Failure, Misuse
from signaling.cli.sound.microphone import MIC_FRAMES_KEPT, Microphone
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ, frames_of, resample
from signaling.cli.sound.sinks import PLAY_FRAMES_KEPT, Loudspeaker, check_recording, open_recording
from signaling.cli.sound.sources import AudioFile, ahead, load
from signaling.cli.sound.speech import HIGH_VOICE, LOW_VOICE, speak
from tests.signals import correlation, tone, voice

CODECS = {
    "mp3": ("mp3", "libmp3lame", "fltp"),
    "flac": ("flac", "flac", "s16"),
    "ogg": ("ogg", "libopus", "flt"),
}


def write_audio(path, sound, *, rate=RATE_HZ, layout="mono"):
    """An audio file by its ending, made by PyAV."""
    container_format, codec, sample_format = CODECS[path.suffix[1:]]
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        stream.format = sample_format
        channels = 2 if layout == "stereo" else 1
        shaped = np.repeat(sound.reshape(1, -1), channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(shaped), format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate, frame_size=1152)
        for given in (frame, None):
            for piece in resampler.resample(given):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def write_video(path):
    """A film without sound."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode(None))


# Files to speak from


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg"])
def test_any_kind_of_file_is_read(tmp_path, name):
    sound = voice(1, 2)
    write_audio(tmp_path / name, sound)
    read = load(tmp_path / name, 10)
    assert read.dtype == np.float32
    assert len(read) % FRAME_SAMPLES == 0
    assert abs(len(read) - len(sound)) < RATE_HZ // 10
    assert correlation(read, sound, max_lag_ms=60) > 0.95


def test_another_rate_and_stereo_become_48_khz_mono(tmp_path):
    write_audio(tmp_path / "a.flac", tone(1_000, 2)[::2].copy(), rate=24_000, layout="stereo")
    read = load(tmp_path / "a.flac", 10)
    spectrum = np.abs(np.fft.rfft(read[: 2 * RATE_HZ - 9600]))
    peak_hz = spectrum.argmax() * RATE_HZ / (2 * RATE_HZ - 9600)
    assert abs(peak_hz - 1_000) < 2
    assert abs(len(read) / RATE_HZ - 2) < 0.05


def test_only_as_much_is_read_as_is_wanted(tmp_path):
    write_audio(tmp_path / "a.flac", voice(1, 3))
    assert len(load(tmp_path / "a.flac", 1)) == RATE_HZ


def test_a_file_says_how_long_it_is(tmp_path):
    write_audio(tmp_path / "a.flac", voice(1, 2))
    with AudioFile(tmp_path / "a.flac") as file:
        assert file.seconds == pytest.approx(2, abs=0.1)


def test_a_damaged_stretch_is_passed_over(tmp_path):
    path = tmp_path / "a.flac"
    write_audio(path, voice(1, 4))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4_000] = bytes(4_000)
    path.write_bytes(data)
    with AudioFile(path) as file:
        n_frames = len(list(file))
    assert 50 < n_frames <= 201


def test_too_loud_a_file_is_limited(tmp_path):
    path = tmp_path / "loud.wav"
    write_floats(path, 5 * tone(440, 1))
    with AudioFile(path) as file:
        assert max(np.abs(frame).max() for frame in file) == 1


def write_floats(path, sound):
    """A 32-bit float WAV, which may go beyond 1."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE_HZ)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def refused(path):
    with pytest.raises(Failure) as caught, AudioFile(path) as file:
        list(file)
    assert caught.value.exit_status == 1
    assert path.name in caught.value.message
    assert caught.value.remedy
    return caught.value.code


def test_what_cannot_be_spoken_is_refused(tmp_path):
    garbage = tmp_path / "garbage.wav"
    garbage.write_bytes(b"no sound at all, only words " * 100)
    empty = tmp_path / "empty.opus"
    empty.write_bytes(b"")
    film = tmp_path / "film.mkv"
    write_video(film)
    hollow = tmp_path / "hollow.wav"
    open_recording(hollow).close()
    assert refused(tmp_path / "missing.wav") == "file_missing"
    assert refused(tmp_path) == "file_unreadable"
    assert refused(garbage) == "file_not_media"
    assert refused(empty) == "file_not_media"
    assert refused(film) == "file_without_audio"
    assert refused(hollow) in ("file_broken", "file_not_media")


def test_a_name_with_a_scheme_is_a_file_and_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure, match="no file"):
        AudioFile(Path("http://127.0.0.1:9/a.mp3"))
    odd = tmp_path / "concat:a.wav"
    odd.write_bytes(b"x")
    with pytest.raises(Failure, match="no audio file"):
        AudioFile(odd)


def test_frames_come_ahead_in_order():
    sent = [np.full(FRAME_SAMPLES, number, np.float32) for number in range(120)]

    async def take():
        return [frame async for frame in ahead(iter(sent))]

    taken = asyncio.run(take())
    assert [frame[0] for frame in taken] == [frame[0] for frame in sent]


def test_an_error_while_reading_ahead_is_raised():
    def frames():
        yield np.zeros(FRAME_SAMPLES, np.float32)
        raise Failure("file_broken", "gone")

    async def take():
        return [frame async for frame in ahead(frames())]

    with pytest.raises(Failure, match="gone"):
        asyncio.run(take())


# Samples and speech


def test_the_last_frame_is_filled_up():
    frames = frames_of(np.ones(FRAME_SAMPLES + 1, np.float32))
    assert [len(frame) for frame in frames] == [FRAME_SAMPLES, FRAME_SAMPLES]
    assert frames[1].sum() == 1
    assert frames_of(np.zeros(0, np.float32)) == []


def test_resampling_keeps_pitch_and_length():
    read = resample(tone(500, 1)[::2].copy(), 24_000)
    assert abs(len(read) - RATE_HZ) <= 64
    assert abs(np.abs(np.fft.rfft(read)).argmax() * RATE_HZ / len(read) - 500) < 2


def test_two_voices_speak_differently():
    one = speak("Good morning, everybody.", voice=LOW_VOICE)
    other = speak("Good morning, everybody.", voice=HIGH_VOICE)
    for sound in (one, other):
        assert sound.dtype == np.float32
        assert 0.8 < len(sound) / RATE_HZ < 4
        assert np.abs(sound).max() == pytest.approx(0.5, abs=0.001)
        assert np.abs(sound[:480]).max() > 0.001  # no silence before it begins
    assert correlation(one, other) < 0.6


def test_a_long_path_to_the_voices_is_no_hindrance(tmp_path):
    long = tmp_path / ("d" * 100) / ("e" * 100)
    long.mkdir(parents=True)
    (long / "data").symlink_to(espeakng_loader.get_data_path(), target_is_directory=True)
    code = (
        f"import espeakng_loader; espeakng_loader.get_data_path = lambda: {str(long / 'data')!r}\n"
        "from signaling.cli.sound.speech import speak\nprint(len(speak('Hello')))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > RATE_HZ // 5
    assert not list(tmp_path.glob("espeak-*"))


def test_an_unknown_voice_is_refused():
    with pytest.raises(Failure) as caught:
        speak("Hello", voice="nobody-speaks-so")
    assert caught.value.code == "speech_failed"


# Files to write to


@pytest.mark.parametrize("name", ["a.opus", "a.wav", "A.WAV"])
def test_what_is_written_can_be_read(tmp_path, name):
    sound = voice(1, 2)
    recording = open_recording(tmp_path / name)
    for frame in frames_of(sound):
        recording.write(frame)
    recording.close()
    read = load(tmp_path / name, 10)
    assert abs(len(read) - len(sound)) <= 2 * FRAME_SAMPLES
    assert correlation(read, sound, max_lag_ms=40) > 0.95


def test_a_recording_needs_an_ending_that_says_what_it_is(tmp_path):
    for name in ("a.mp3", "a", "a.opus.txt"):
        with pytest.raises(Misuse) as caught:
            open_recording(tmp_path / name)
        assert caught.value.code == "recording_kind"


@pytest.mark.parametrize("name", ["a.opus", "a.wav"])
def test_a_folder_that_is_not_there(tmp_path, name):
    with pytest.raises(Failure) as caught:
        open_recording(tmp_path / "nowhere" / name)
    assert caught.value.code == "recording_unwritable"


@pytest.mark.parametrize("name", ["a.opus", "a.wav"])
def test_looking_whether_a_recording_can_be_written_changes_nothing(tmp_path, name):
    path = tmp_path / name
    check_recording(path)
    assert not path.exists()
    path.write_bytes(b"an earlier one")
    check_recording(path)
    assert path.read_bytes() == b"an earlier one"
    for unwritable in (tmp_path / "nowhere" / name, path / name):
        with pytest.raises(Failure) as caught:
            check_recording(unwritable)
        assert caught.value.code == "recording_unwritable"


# Loudspeaker and microphone, with a stand-in for sounddevice


class PortAudioError(Exception):
    """As sounddevice's."""


class Stream:
    """A stream whose callback the test calls."""

    def __init__(self, **settings):
        self.settings = settings
        self.callback = settings["callback"]
        self.running = False

    def start(self):
        self.running = True

    def stop(self):
        self.running = False

    def close(self):
        self.closed = True


class Absent(Stream):
    """No device."""

    def start(self):
        raise PortAudioError("no default device")


def stand_in(monkeypatch, stream=Stream):
    module = types.ModuleType("sounddevice")
    module.PortAudioError = PortAudioError
    module.OutputStream = module.InputStream = stream
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_a_loudspeaker_plays_in_order_and_drops_the_oldest(monkeypatch):
    stand_in(monkeypatch)
    speaker = Loudspeaker()
    stream = speaker._stream
    assert stream.running
    for number in range(PLAY_FRAMES_KEPT + 2):
        speaker.write(np.full(FRAME_SAMPLES, number, np.float32))
    assert speaker.dropped == 2
    out = np.zeros((FRAME_SAMPLES, 1), np.float32)
    played = []
    for _ in range(PLAY_FRAMES_KEPT + 1):
        stream.callback(out, FRAME_SAMPLES, None, None)
        played.append(out[0, 0])
    assert played == [*range(2, PLAY_FRAMES_KEPT + 2), 0]
    assert speaker.starved == 1
    speaker.close()
    assert not stream.running


def test_a_microphone_gives_frames_and_drops_the_oldest(monkeypatch):
    stand_in(monkeypatch)

    async def record():
        microphone = Microphone()
        for number in range(MIC_FRAMES_KEPT + 3):
            block = np.full((FRAME_SAMPLES, 1), number, np.float32)
            microphone._stream.callback(block, FRAME_SAMPLES, None, None)
        await asyncio.sleep(0)  # what the other thread handed over
        frames = microphone.frames()
        first = await anext(frames)
        microphone.close()
        return microphone, [first[0], *[frame[0] async for frame in frames]]

    microphone, taken = asyncio.run(record())
    assert taken == list(range(3, MIC_FRAMES_KEPT + 3))
    assert microphone.dropped == 3


def test_missing_devices_and_extras_are_named(monkeypatch):
    stand_in(monkeypatch, Absent)
    with pytest.raises(Failure) as caught:
        Loudspeaker()
    assert caught.value.code == "no_loudspeaker"

    async def record():
        Microphone()

    with pytest.raises(Failure) as caught:
        asyncio.run(record())
    assert caught.value.code == "no_microphone"
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(Failure, match="'play'") as caught:
        Loudspeaker()
    assert caught.value.code == "extra_missing"
    assert ".[play]" in caught.value.remedy
