"""Axon's binary files (ABF), versions 1 and 2, through pyABF."""

from contextlib import suppress
from math import nan
from pathlib import Path

import numpy as np

from synkin.recordings.formats.sweeps import Foreign, Sweeps, Tag, choose, package, reading


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Axon binary files, versions 1 and 2; the time of each sweep starts at 0."""
    del unit
    pyabf = package("pyabf", "abf", "ABF files")
    with reading(path, "pyABF"):
        file = pyabf.ABF(str(path))
    names = [_word(name) for name in file.adcNames]
    at = choose(path, channel, names)
    with reading(path, "pyABF"):
        if file.nOperationMode == 1:  # of variable length
            traces = []
            for sweep in file.sweepList:
                file.setSweep(sweep, at)
                traces.append(np.array(file.sweepY, float))
        else:  # all at once, because setting a sweep takes pyABF longer the more sweeps there are
            samples = file.sweepCount * file.sweepPointCount
            traces = list(np.asarray(file.data[at, :samples], float).reshape(file.sweepCount, -1))
        interval = _interval(file)
    times = [np.arange(len(trace)) * interval / 1000 for trace in traces]
    labels = [f"sweep {i}" for i in range(len(traces))]
    read = Sweeps(times, traces, _word(file.adcUnits[at]), labels, channels=tuple(names))
    # What is said beside the samples is worth no error: headers of other programs may lack it.
    with suppress(AttributeError, IndexError, TypeError, ValueError):
        read = read._replace(start_times=_start_times(path, file, interval))
    with suppress(AttributeError, IndexError, TypeError, ValueError):
        pairs = zip(file.tagTimesSec, file.tagComments, strict=True)
        read = read._replace(tags=tuple(Tag(1000 * float(time), _word(text)) for time, text in pairs))
    with suppress(AttributeError, IndexError, TypeError, ValueError):
        holding, command, unit_of_command = _command(file, at)
        read = read._replace(holding=holding, command=command, command_unit=unit_of_command)
    protocol = _word(getattr(file, "protocol", ""))
    return read._replace(protocol="" if protocol == "None" else protocol)


def _start_times(path: Path, file: Foreign, interval: float) -> np.ndarray | None:
    """ms from the start of the file to that of each sweep, which the file has in ticks of a clock or in samples."""
    if file.sweepCount == 1:
        return np.zeros(1)
    if file.abfVersion["major"] == 1:  # pyABF does not read it
        header = file._headerV1
        if header.lSynchArraySize < file.sweepCount:
            return None
        pairs = np.fromfile(path, "<i4", 2 * file.sweepCount, offset=512 * header.lSynchArrayPtr)
        starts, tick = pairs[::2], header.fSynchTimeUnit
    else:
        starts, tick = np.array(file._synchArraySection.lStart[: file.sweepCount]), file._protocolSection.fSynchTimeUnit
    if len(starts) < file.sweepCount:
        return None
    return (starts - starts[0]) * ((tick or interval / file.channelCount) / 1000)


def _command(file: Foreign, at: int) -> tuple[float, np.ndarray | None, str]:
    """The holding level, the level to which each sweep steps, and their unit.

    The step is the epoch that changes most from sweep to sweep or, if none does, the longest one.
    """
    unit, holding = _word(file.dacUnits[at]), nan
    if file.abfVersion["major"] == 2:
        section, said = file._epochPerDacSection, file._dacSection
        rows = [i for i, of in enumerate(section.nDACNum) if of == at]
        holding = float(file.holdingCommand[at])
    else:  # of version 1, pyABF takes the level of the first epoch for that which is held
        section = said = file._headerV1
        rows = list(range(10 * at, 10 * at + 10)) if at < 2 else []
    if not (said.nWaveformEnable[at] and said.nWaveformSource[at] == 1):  # 1: epochs
        return holding, None, unit
    epochs = [
        (float(section.fEpochLevelInc[i]), section.lEpochInitDuration[i], float(section.fEpochInitLevel[i]))
        for i in rows
        if section.nEpochType[i] and section.lEpochInitDuration[i] > 0
    ]
    if not epochs:
        return holding, None, unit
    change, _, level = max(epochs, key=lambda epoch: (abs(epoch[0]), epoch[1]))
    return holding, level + change * np.arange(float(file.sweepCount)), unit


def _word(word: object) -> str:
    """A name or unit without its padding of spaces or zeros; pyABF shows an empty one as "?"."""
    return str(word).strip("\x00 ?")


def _interval(file: Foreign) -> float:
    """Microseconds between samples. The rate of pyABF is truncated to whole Hz, which is off by 83 ppm at 12 kHz."""
    if hasattr(file, "_headerV1"):
        return float(file._headerV1.fADCSampleInterval * file._headerV1.nADCNumChannels)
    if hasattr(file, "_protocolSection"):
        return float(file._protocolSection.fADCSequenceInterval)
    return 1e6 * float(file.dataSecPerPoint)
