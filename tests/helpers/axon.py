"""Writes Axon binary files of version 2, which no package does.

Only what a reader of sweeps needs: a header of 512 bytes that says where the sections are, in blocks of 512 bytes, and
these. Source, for where what stands: pyABF's description of the format, swharden.com/pyabf/abf2-file-format.
"""

import struct

import numpy as np

BLOCK = 512
# Where the header says where a section begins, how many bytes an entry of it has, and how many entries there are.
SECTIONS = {
    "protocol": 76,
    "adc": 92,
    "dac": 108,
    "digital": 124,
    "epochs": 156,
    "strings": 220,
    "data": 236,
    "tags": 252,
    "synch": 316,
}
EPISODIC, RANGE, RESOLUTION = 5, 10.0, 32768  # sweeps of one length; V, and steps of it


def write_abf2(path, channels, *, interval=100.0, integers=True, starts=None, tags=(), command=None):
    """A file of sweeps.

    Args:
        path: where to.
        channels: [(name, unit, traces (R, M), gain, offset, telegraph)], all of one shape: V per unit, the value at
            0 V, and by how much an amplifier that tells its gain has amplified beyond that; None where it tells none.
        interval: us between two samples of a channel.
        integers: 16 bits a sample; else single precision, in the channel's unit.
        starts: ms from the start of the file to that of each sweep; by default one follows the other.
        tags: [(ms, text)].
        command: (unit, holding, [(level, change from sweep to sweep, samples)]): the epochs of the first channel.
    """
    traces = np.stack([np.asarray(channel[2], float) for channel in channels])  # (C, R, M)
    names = ["clampex", *(text for name, unit, *_ in channels for text in (name, unit))]
    # Starts and tags count samples of all channels or, where starts are given, us.
    tick = interval / len(channels) if starts is None else 1.0
    sections = {
        "protocol": (_protocol(interval, 0.0 if starts is None else tick), 512, 1),
        "adc": (b"".join(_adc(i, *channel[3:]) for i, channel in enumerate(channels)), 128, len(channels)),
    }
    if command:
        unit, holding, epochs = command
        names += ["Cmd 0", unit]
        sections["dac"] = (
            b"".join(_dac(i, holding, len(names), i == 0) for i in range(len(channels))),
            256,
            len(channels),
        )
        sections["epochs"] = b"".join(_epoch(i, *epoch) for i, epoch in enumerate(epochs)), 48, len(epochs)
        sections["digital"] = b"".join(struct.pack("<hh28x", i, 0) for i in range(len(epochs))), 32, len(epochs)
    if tags:
        entries = [struct.pack("<i56shh", round(1000 * time / tick), text.encode(), 1, 0) for time, text in tags]
        sections["tags"] = b"".join(entries), 64, len(tags)
    strings = b"SSCH" + bytes(40) + "\0".join([*names, ""]).encode("latin-1")
    sections["strings"] = strings, len(strings), 1
    count, sweeps, samples = traces.shape
    size = samples * count
    began = [i * size for i in range(sweeps)] if starts is None else [round(1000 * start) for start in starts]
    sections["synch"] = b"".join(struct.pack("<ii", start, size) for start in began), 8, sweeps
    values = traces
    if integers:
        scaled = np.array([(gain * (telegraph or 1), offset) for *_, gain, offset, telegraph in channels])
        gains, offsets = scaled.T.reshape(2, -1, 1, 1)
        values = np.rint((traces - offsets) * gains * RESOLUTION / RANGE)
        assert np.abs(values).max() < 2**15
    values = values.transpose(1, 2, 0).astype("<i2" if integers else "<f4")  # a sample of each channel in turn
    sections["data"] = values.tobytes(), values.itemsize, values.size

    body, header = b"", bytearray(BLOCK)
    struct.pack_into("<4s4BIIII", header, 0, b"ABF2", 0, 0, 6, 2, BLOCK, sweeps, 20200101, 0)
    struct.pack_into("<HH", header, 28, 1, 0 if integers else 1)
    struct.pack_into("<I", header, 60, 1)  # the program that wrote it: the first string
    for name, (content, size, entries) in sections.items():
        struct.pack_into("<IIq", header, SECTIONS[name], 1 + len(body) // BLOCK, size, entries)
        body += content + bytes(-len(content) % BLOCK)
    path.write_bytes(bytes(header) + body)
    return path


def _protocol(interval, tick):
    section = bytearray(512)
    struct.pack_into("<hf", section, 0, EPISODIC, interval)
    struct.pack_into("<f", section, 14, tick)  # us
    struct.pack_into("<ff", section, 110, RANGE, RANGE)
    struct.pack_into("<ii", section, 118, RESOLUTION, RESOLUTION)
    return bytes(section)


def _adc(number, gain, offset, telegraph):
    section = bytearray(128)
    struct.pack_into("<hhhf", section, 0, number, telegraph is not None, 0, telegraph or 1.0)
    struct.pack_into("<hh", section, 24, number, number)
    struct.pack_into("<f", section, 28, 1.0)  # of the board
    struct.pack_into("<ffff", section, 40, gain, offset, 1.0, 0.0)
    struct.pack_into("<ii", section, 74, 2 * number + 2, 2 * number + 3)  # name and unit among the strings, from 1
    return bytes(section)


def _dac(number, holding, unit, enabled):
    section = bytearray(256)
    struct.pack_into("<h", section, 0, number)
    struct.pack_into("<f", section, 12, holding)
    struct.pack_into("<ii", section, 24, unit - 1, unit)  # name and unit among the strings, from 1
    struct.pack_into("<hh", section, 40, enabled, 1)  # its waveform is made of epochs
    return bytes(section)


def _epoch(number, level, change, samples):
    section = bytearray(48)
    struct.pack_into("<hhhffi", section, 0, number, 0, 1, level, change, samples)
    return bytes(section)
