"""Recordings from the files of amplifiers, archives and spreadsheets, and what papers measure on them.

    number_text  numbers in text
    time_unit    the unit of times in a column's name
    table        tables of text
    formats      a reader for each format
    recording    `Recording`, `read_recording`
    measures     `measure`: peak, rise, width, decay, charge
    writing      files that are written completely or not at all

The packages that read ABF, NWB and other formats are optional; each is imported when a file needs it.
"""
