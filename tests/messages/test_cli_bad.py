"""Command lines with something wrong in them: each ends with the sentence that says what, and leaves nothing behind.

A table, so that whoever adds an option adds the ways in which it is mistyped.
"""

import shlex
from pathlib import Path

import numpy as np
import pytest

from synkin.__main__ import main

# The files that lie there.
FILES = {
    "spikes.csv": "time_ms\n3.0\n14.5\n",
    "recording.csv": "time_ms,current_pA,voltage_mV\n" + "".join(f"{t},{np.exp(-t / 5):.4f},{t}\n" for t in range(20)),
    "words.csv": "time_ms\n3.0\nlate\n",
    "backwards.csv": "time_ms,synapse\n3.0,1\n2.0,1\n",
    "negative.csv": "-1.0\n2.0\n",
    "ragged.csv": "time_ms,synapse\n3.0,1\n2.0\n",
    "three.csv": "1,2,3\n",
    "narrow.csv": "time_ms,synapse,weight\n1,2\n",
    "empty.csv": "",
    "two_units.csv": "time_s_of_ms_steps\n0.003\n",
    "samples.csv": "t,v\n0,1\n1,x\n",
    "uneven.csv": "t,v\n0,1\n1,2\n2,1\n4,2\n5,1\n6,1\n",
    "gap.csv": "t,v\n0,1\n1,\n2,1\n3,1\n",
    "two.txt": "A + T <-> B : on, off\non = 5\noff = 0.2\nopen = B\n",
    "shut.txt": "A + T <-> B : on, off\non = 5\noff = 0.2\n",
    "half.txt": "# half\nA + T <-> B : on\n",
    "no_rate.txt": "A + T <-> B : on, off\non = 5\nopen = B\n",
    "apart.txt": "A + T -> B : on\nC -> D : on\non = 5\nopen = B\n",
    "leaves.txt": "A + T <-> B : on, off\nA -> B : off\non = 5\noff = 0.2\nopen = B\n",
    "elsewhere.txt": "A + T <-> B : on, off\non = 5\noff = 0.2\nopen = B\nrest = Q\n",
}
KERNELS = "there are alpha, ampa, gabaa, bionmda, expon, dual_expon, and the schemes that `python -m synkin list` shows"
ONE_OF_TWO = "needs a file of spike times or --sample, one of the two"
FIT = "fit recording.csv --kernel expon --spikes 4"

# The command line, what is wrong with it, and the sentence.
TABLE = [
    # Commands and options
    (
        "stimulate spikes.csv",
        "a command that there is not",
        "There is no command 'stimulate' (did you mean simulate?): there are simulate, measure, events, fit and list.",
    ),
    (
        "spikes.csv",
        "a file in place of the command",
        "There is no command 'spikes.csv': there are simulate, measure, events, fit and list.",
    ),
    ("--verbose", "no command, and an option of none", "The following arguments are required: COMMAND."),
    ("list spikes.csv", "a file for a kernel", f"There is no kernel 'spikes.csv': {KERNELS}."),
    ("list ampa gabaa", "two kernels", "Command list takes one NAME, but got 'gabaa' as well."),
    (
        "list ampa --scheme two.txt",
        "a kernel and a scheme",
        "Command list takes NAME or --scheme, but got both.",
    ),
    (
        "list --plot g.png",
        "nothing to draw",
        "Option --plot needs the name of a kernel, or --scheme, but there is neither.",
    ),
    ("list ampa --plot g.gif", "another kind", "Option --plot needs a file in .png or .pdf or .svg, but got g.gif."),
    ("simulate", "no file", f"Command simulate {ONE_OF_TWO}."),
    ("simulate spikes.csv --sample", "a file and the sample", f"Command simulate {ONE_OF_TWO}."),
    (
        "simulate spikes.csv recording.csv",
        "two files",
        "Command simulate takes one SPIKES.csv, but got 'recording.csv' as well.",
    ),
    (
        "simulate spikes.csv --kernal gabaa",
        "a letter wrong in an option",
        "There is no option --kernal (did you mean --kernel?): `python -m synkin simulate --help` shows them all.",
    ),
    (
        "simulate spikes.csv --meth=exact",
        "an option cut short",
        "There is no option --meth (did you mean --method?): `python -m synkin simulate --help` shows them all.",
    ),
    (
        "simulate spikes.csv -k gabaa",
        "a short option",
        "There is no option -k: `python -m synkin simulate --help` shows them all.",
    ),
    ("simulate spikes.csv --dt", "an option without its value", "Option --dt needs MS, but nothing comes after it."),
    (
        "simulate spikes.csv --dt --method exact",
        "an option without its value, before another",
        "Option --dt needs MS, but --method comes after it.",
    ),
    # Kernels and parameters
    (
        "simulate spikes.csv --kernel ampa+",
        "half of a sum",
        "A sum needs a kernel on each side of a +, as ampa+nmda5, but is 'ampa+'.",
    ),
    (
        "simulate spikes.csv --kernel ampa+nmda",
        "a sum with a kernel that there is not",
        f"There is no kernel 'nmda' (did you mean nmda5?): {KERNELS}.",
    ),
    (
        "list ampa+expon",
        "a sum of two kinds",
        "Kernels of a sum must be of one kind, as in a step a spike acts at its start on a receptor and at its end on "
        "a linear kernel, but ampa is a receptor and expon a linear kernel.",
    ),
    (
        "simulate spikes.csv --kernel ampa+nmda5 --set beta=1",
        "a parameter without the part's name",
        "Kernel ampa+nmda5 has no parameter 'beta' (did you mean ampa_beta?): it has ampa_alpha, ampa_beta, ampa_T, "
        "ampa_T_dur, g_nmda5, nmda5_kon, nmda5_koff, nmda5_kd, nmda5_kr, nmda5_beta, nmda5_alpha, nmda5_T, "
        "nmda5_T_dur.",
    ),
    (
        "fit --sample --kernel ampa,ampa+gabaa,ampa+gabaa",
        "a sum twice",
        "Option --kernel must name each kernel once, but names ampa+gabaa 2 times.",
    ),
    (
        "simulate spikes.csv --kernel nmda",
        "part of a kernel's name",
        f"There is no kernel 'nmda' (did you mean nmda5?): {KERNELS}.",
    ),
    (
        "simulate spikes.csv --kernel AMPA",
        "a kernel in capitals",
        f"There is no kernel 'AMPA' (did you mean ampa?): {KERNELS}.",
    ),
    (
        "fit recording.csv --kernel Jonas_1993",
        "a scheme in capitals",
        f"There is no kernel 'Jonas_1993' (did you mean jonas1993?): {KERNELS}.",
    ),
    ("simulate spikes.csv --kernel glycine", "no such kernel", f"There is no kernel 'glycine': {KERNELS}."),
    (
        "simulate spikes.csv --kernel nmda5 --set kom=6",
        "a letter wrong in a rate",
        "Kernel nmda5 has no parameter 'kom' (did you mean kon?): it has kon, koff, kd, kr, beta, alpha, T, T_dur.",
    ),
    (
        "simulate spikes.csv --kernel gabab --method exp_euler",
        "a method that it does not have",
        "Option --method must be exact, the only one that gabab has, but is 'exp_euler'.",
    ),
    (
        "simulate spikes.csv --kernel ampa --scheme two.txt",
        "a kernel and a scheme",
        "Option --scheme excludes --kernel.",
    ),
    # Schemes in files
    ("simulate spikes.csv --scheme none.txt", "no such file", "There is no file none.txt."),
    (
        "fit recording.csv --scheme empty.csv",
        "an empty file",
        "In empty.csv, a scheme must have a transition, such as `A <-> B : forward, backward`, but has none.",
    ),
    (
        "simulate --sample --scheme spikes.csv",
        "a file of spikes for a scheme",
        "Line 1 of spikes.csv, `time_ms`, must have one arrow, `<->` or `->`, but has no arrow.",
    ),
    (
        "simulate spikes.csv --scheme half.txt",
        "no rate back",
        "Line 2 of half.txt, `A + T <-> B : on`, must have two rates, forward and backward, as its arrow is `<->`, "
        "but has 1.",
    ),
    (
        "simulate spikes.csv --scheme no_rate.txt",
        "a rate without a value",
        "Line 1 of no_rate.txt, `A + T <-> B : on, off`, must have rates whose values are given, but `off` has none: "
        "off=... .",
    ),
    (
        "list --scheme shut.txt",
        "nothing that conducts",
        "File shut.txt must say what conducts, in a line such as `open = O`, but does not.",
    ),
    (
        "list --scheme apart.txt",
        "two schemes",
        "In apart.txt, states of a scheme must be joined by transitions, but no path joins `A` and `C`.",
    ),
    (
        "list --scheme leaves.txt",
        "no rest",
        "In leaves.txt, at rest only binding may lead out of a state, but A is left by `A -> B : off`: "
        "rest='steady' is where that leads.",
    ),
    (
        "list --scheme elsewhere.txt",
        "at rest where there is no state",
        "In elsewhere.txt, argument `rest` must name states (A, B) or be 'steady', but has 'Q'.",
    ),
    (
        "simulate spikes.csv --scheme two.txt --set on=-5",
        "a negative rate",
        "Parameter `on` must be finite and not negative, but has the value -5.0.",
    ),
    (
        "fit recording.csv --scheme two.txt --spikes 4",
        "nothing to fit",
        "Command fit needs --free, such as --free off.",
    ),
    (
        "simulate spikes.csv --set Tdur=1",
        "a parameter without its sign",
        "Kernel ampa has no parameter 'Tdur' (did you mean T_dur?): it has alpha, beta, T, T_dur.",
    ),
    (
        "simulate spikes.csv --kernel alpha --set beta=1",
        "a parameter of another kernel",
        "Kernel alpha has no parameter 'beta': it has tau.",
    ),
    (
        "simulate spikes.csv --kernel alpha --set tau",
        "a parameter without a value",
        "Option --set needs NAME=VALUE, such as tau=8, but got 'tau'.",
    ),
    (
        "simulate --set spikes.csv",
        "the file in place of a setting",
        "Option --set needs NAME=VALUE, such as T_dur=0.5, but got 'spikes.csv'.",
    ),
    ("simulate spikes.csv --set beta=fast", "a word for a number", "Parameter beta must be a number, but is 'fast'."),
    (
        "simulate spikes.csv --set beta=-0.2",
        "a negative rate",
        "Parameter `beta` must be finite and not negative, but has the value -0.2.",
    ),
    (
        "simulate spikes.csv --kernel alpha --overlap ignore",
        "an option of receptors for a linear kernel",
        "Option --overlap is for receptors, but the kernel is alpha.",
    ),
    # Numbers and words
    ("simulate spikes.csv --dt 0", "no step", "Option --dt must be a positive number of ms, but is '0'."),
    (
        "simulate spikes.csv --dt -1e-3",
        "a negative step, with an exponent",
        "Option --dt must be a positive number of ms, but is '-1e-3'.",
    ),
    (
        "simulate spikes.csv --duration 1s",
        "a unit behind a number",
        "Option --duration must be a positive number of ms, but is '1s'.",
    ),
    (
        "simulate spikes.csv --dt 1e-12",
        "more steps than can be counted",
        "A run must have at most 2,147,483,647 steps, but 64.5 / 1e-12 is more.",
    ),
    (
        "simulate spikes.csv --method euler",
        "part of a method's name",
        "Option --method must be exp_euler or exact, but is 'euler' (did you mean exp_euler?).",
    ),
    (
        "simulate spikes.csv --time-unit sec",
        "another name of a unit",
        "Option --time-unit must be ns, us, ms, s, min or h, but is 'sec'.",
    ),
    # Files
    ("simulate none.csv", "no such file", "There is no file none.csv."),
    ("simulate empty.csv", "an empty file", "File empty.csv is empty."),
    (
        "simulate words.csv",
        "a word for a time",
        "Line 3 of words.csv must have a number in column 1, but has 'late'.",
    ),
    (
        "simulate backwards.csv",
        "times that decrease",
        "Line 3 of backwards.csv must have a time of synapse 1 not before that of line 2, 3 ms, but has 2 ms.",
    ),
    ("simulate negative.csv", "a time before 0", "Line 1 of negative.csv must have a time from 0 ms on, but has -1.0."),
    (
        "simulate ragged.csv",
        "a row that is too short",
        "Line 3 of ragged.csv must have 2 columns, as line 2 has, but has 1.",
    ),
    (
        "simulate three.csv",
        "a column too many",
        "File three.csv must have 1 column (time) or 2 (time, synapse), but has 3.",
    ),
    (
        "simulate narrow.csv",
        "a header of another length",
        "The header of narrow.csv must have 2 columns, as the rows have, but has 3.",
    ),
    (
        "simulate two_units.csv",
        "a name with two units",
        "Column 'time_s_of_ms_steps' of two_units.csv must name one unit of time, but names ms and s: say --time-unit.",
    ),
    (
        "simulate spikes.csv --out g.txt",
        "another kind of file",
        "Option --out needs a file in .csv or .npz, but got g.txt.",
    ),
    (
        "simulate spikes.csv --out nowhere/g.csv",
        "no such folder",
        "The folder of --out nowhere/g.csv does not exist.",
    ),
    (
        "simulate spikes.csv --out spikes.csv",
        "the file that is read",
        "Option --out would overwrite spikes.csv, which is read.",
    ),
    # Measures
    ("measure", "no recording", "Command measure needs a recording or --sample, one of the two."),
    (
        "measure recording.csv --sample",
        "a recording and the sample",
        "Command measure needs a recording or --sample, one of the two.",
    ),
    ("measure none.abf", "no such recording", "There is no file none.abf."),
    (
        "measure words.csv",
        "no column but the times",
        "File words.csv must have a column of times and at least one of a trace, but has 1 column.",
    ),
    (
        "measure samples.csv",
        "a letter among the samples",
        "Line 3 of samples.csv must have a number in column 2, but has 'x'.",
    ),
    (
        "measure recording.csv --window 5",
        "half a window",
        "Option --window must be two times in ms, such as 95:180, but is '5'.",
    ),
    (
        "measure recording.csv --window 9:5",
        "a window backwards",
        "Option --window must be two times in ms, such as 95:180, but is '9:5'.",
    ),
    (
        "measure recording.csv --window 50:90",
        "a window after the end",
        "Argument `window` must hold samples of recording.csv, which go from 0 to 19 ms, but is (50, 90).",
    ),
    (
        "measure recording.csv --window 3:4",
        "a window of two samples",
        "Argument `trace` must have at least 3 samples, but has 2.",
    ),
    (
        "measure recording.csv --baseline start",
        "a word for a baseline",
        "Option --baseline must be two times in ms, such as 95:180, but is 'start'.",
    ),
    (
        "measure recording.csv --baseline -9:-5",
        "a baseline before the start",
        "Argument `baseline` must hold samples of current_pA of recording.csv, which go from 0 to 19 ms, "
        "but is (-9, -5).",
    ),
    (
        "measure recording.csv --sweeps 3",
        "a sweep that there is not",
        "Argument `sweeps` must be from 0 to 0, the sweeps of recording.csv, but has 3.",
    ),
    (
        "measure recording.csv --sweeps first",
        "a word for sweeps",
        "Argument `sweeps` must be such as '0:20' or '0,3,5', but is 'first'.",
    ),
    (
        "measure recording.csv --channel 2",
        "a channel that there is not",
        "Argument `channel` must be one of the 2 of recording.csv, 0 'pA', 1 'mV', but is 2.",
    ),
    (
        "measure recording.csv --channel nA",
        "a channel by a name that there is not",
        "Argument `channel` must be one of the 2 of recording.csv, 0 'pA', 1 'mV', but is 'nA'.",
    ),
    (
        "measure two_units.csv --time-unit sec",
        "another name of a unit",
        "Option --time-unit must be ns, us, ms, s, min or h, but is 'sec'.",
    ),
    (
        "measure recording.csv --out measures.json",
        "another kind of file",
        "Option --out needs a file in .csv, but got measures.json.",
    ),
    (
        "measure recording.csv --out recording.csv",
        "the file that is read",
        "Option --out would overwrite recording.csv, which is read.",
    ),
    (
        "measure recording.csv --average mean",
        "a word after a switch",
        "Command measure takes one RECORDING, but got 'mean' as well.",
    ),
    # Events
    ("events", "no recording", "Command events needs a recording or --sample, one of the two."),
    ("events none.abf", "no such recording", "There is no file none.abf."),
    (
        "events recording.csv --threshold high",
        "a word for a number",
        "Option --threshold must be a number, but is 'high'.",
    ),
    (
        "events recording.csv --threshold 0",
        "no threshold",
        "Argument `threshold` must be a positive number of standard deviations, but is 0.0.",
    ),
    (
        "events recording.csv --smallest -5",
        "a size below 0",
        "Argument `smallest` must be finite and not negative, but is -5.0.",
    ),
    (
        "events recording.csv --direction upp",
        "a letter too many",
        "Option --direction must be up or down, but is 'upp' (did you mean up?).",
    ),
    (
        "events recording.csv --drift -3",
        "a negative time",
        "Option --drift must be a positive number of ms, but is '-3'.",
    ),
    (
        "events recording.csv --mismatch 2",
        "a part above 1",
        "Argument `mismatch` must be from 0 to 1, but is 2.0.",
    ),
    (
        "events recording.csv --kernel expon --set tua=3",
        "two letters the other way round",
        "Kernel expon has no parameter 'tua' (did you mean tau?): it has tau.",
    ),
    (
        "events uneven.csv",
        "a sample left out",
        "Argument `times` must be increasing and evenly spaced, here by 1.2 ms, but element 3 (4) comes 2 ms after "
        "the one before.",
    ),
    (
        "events gap.csv",
        "a cell left empty",
        "Argument `trace` must be finite, but has 1 NaN or infinite samples, the first of them element 1 of sweep 0: "
        "cut them out, or fill them in.",
    ),
    (
        "events recording.csv --kernel nmda5 --window 3:6",
        "an answer that rises longer than the trace",
        "Argument `trace` must be longer than nmda5 takes to its peak, but the response to one event still rises after "
        "3 ms.",
    ),
    (
        "events recording.csv --out events.npz",
        "another kind of file",
        "Option --out needs a file in .csv, but got events.npz.",
    ),
    # Fits
    ("fit", "no recording", "Command fit needs a recording or --sample, one of the two."),
    (
        "fit recording.csv --kernel dual_expon --spikes 4",
        "nothing to fit",
        "Command fit needs --free, such as --free tau_decay,tau_rise.",
    ),
    ("fit recording.csv --free beta", "no spikes", "Command fit needs --spikes, such as --spikes 3.0."),
    (
        f"{FIT} --free tua",
        "two letters the other way round",
        "Kernel expon has no parameter 'tua' (did you mean tau?): it has tau.",
    ),
    (
        "fit --sample --kernel expon,ampa,expon",
        "a kernel twice",
        "Option --kernel must name each kernel once, but names expon 2 times.",
    ),
    (
        "fit --sample --kernel expon,apma",
        "a kernel that is none, beside one that is",
        "There is no kernel 'apma' (did you mean ampa?): there are alpha, ampa, gabaa, bionmda, expon, dual_expon, and "
        "the schemes that `python -m synkin list` shows.",
    ),
    (
        "fit --sample --kernel expon,ampa --free beta",
        "nothing to fit of one of the kernels",
        "Option --free must name a parameter of each kernel, but names none of expon, which has tau: without "
        "--free each kernel has free parameters of its own.",
    ),
    (
        "fit --sample --kernel expon,ampa --free tau,bta",
        "a parameter of none of the kernels",
        "Option --free must name parameters of the kernels, tau, alpha, beta, T, T_dur, but has 'bta' (did you mean "
        "beta?).",
    ),
    (
        "fit --sample --kernel expon,ampa --profile tua",
        "a profile of what none of several kernels has",
        "Option --profile must name what is fitted, tau, scale, offset, onset, alpha, beta, T_dur, but has 'tua' (did "
        "you mean tau?).",
    ),
    (
        "fit --sample --kernel expon,ampa --bounds T=0.1:1",
        "bounds of what is held",
        "Option --bounds must name what is fitted, tau, scale, offset, onset, alpha, beta, T_dur, but has 'T'.",
    ),
    (
        "fit --sample --kernel expon,ampa --bounds gabaa.beta=0.1:1",
        "bounds in a kernel that is not compared",
        "Option --bounds must name a kernel that is compared (expon, ampa) before the point, but has 'gabaa'.",
    ),
    (
        "fit --sample --kernel expon,ampa --profile expon.beta",
        "a profile of another kernel's parameter",
        "Option --profile must name what is fitted, tau, scale, offset, onset, but has 'beta'.",
    ),
    (
        "fit --sample --kernel expon,ampa --tie T_dur=gamma",
        "a tie to what no kernel has",
        "Option --tie must tie to what is free in one of the kernels, but has 'gamma'.",
    ),
    (
        "fit --sample --kernel expon,ampa --tie tau=beta",
        "a tie between the parameters of two kernels",
        "Option --tie must name parameters beside beta, alpha, beta, T, T_dur, but has 'tau'.",
    ),
    (
        "fit --sample --kernel expon,ampa --set gamma=1",
        "a parameter of none of the kernels, to be set",
        "Option --set must name parameters, tau, alpha, beta, T, T_dur, but has 'gamma'.",
    ),
    (
        f"{FIT} --free tau --sigma current",
        "errors in a column that there is not",
        "Option --sigma must be a number or name a column of recording.csv or a file, but is 'current'.",
    ),
    (
        f"{FIT} --free tau --sigma 1,2",
        "two errors for one column",
        "Option --sigma must have one number, or one for each of the 1 columns, but has 2.",
    ),
    (
        f"{FIT} --free tau --sigma 0",
        "an error of 0",
        "Argument `sigma` must be positive and finite, but has 0.0.",
    ),
    (
        f"{FIT} --free tau --sigma spikes.csv",
        "errors in a file without them",
        "File spikes.csv of option --sigma must have a column of times and at least one of errors, but has 1.",
    ),
    (
        f"{FIT} --free tau --sigma gap.csv",
        "errors at other times",
        "Option --sigma must have the times of the recording, but has none at 4 ms.",
    ),
    (
        f"{FIT} --free tau --sigma *_*",
        "more columns of errors than there are traces",
        "Option --sigma must have one column, or one for each of 1, but has 3.",
    ),
    (
        "fit --sample --profile bta",
        "a profile of what is none",
        "Option --profile must name what is fitted, alpha, beta, T_dur, scale, offset, onset, but has 'bta' (did you "
        "mean beta?).",
    ),
    (
        f"{FIT} --free tau --tie tau",
        "a tie to nothing",
        "Option --tie needs NAME=OTHER, such as beta2=beta1, but got 'tau'.",
    ),
    (
        "fit --sample --kernel dual_expon --free alpha",
        "a parameter of another kernel",
        "Kernel dual_expon has no parameter 'alpha': it has tau_decay, tau_rise, amplitude.",
    ),
    (
        f"{FIT} --free tau --trace current",
        "a column without its unit",
        "File recording.csv has no column 'current' (did you mean current_pA?): "
        "it has 3, time_ms, current_pA, voltage_mV.",
    ),
    (
        f"{FIT} --free tau --scale=recording.csv",
        "a file for a number",
        "Option --scale must be a number, but is 'recording.csv'.",
    ),
    (
        f"{FIT} --free tau --bounds tau",
        "bounds without numbers",
        "Option --bounds needs NAME=LOW:HIGH, such as tau=0.1:2, but got 'tau'.",
    ),
    (
        f"{FIT} --free tau --scale --bounds scal=1:2",
        "bounds of what there is not",
        "Option --bounds must name what is fitted, tau, scale, but has 'scal' (did you mean scale?).",
    ),
    (
        f"{FIT},x --free tau",
        "a letter among the spikes",
        "Option --spikes must be times in ms, such as 3.0,17.5, but is '4,x'.",
    ),
    (
        f"{FIT} --free tau --starts 2.5",
        "half a start",
        "Option --starts must be a whole number, but is '2.5'.",
    ),
    (
        f"{FIT} --free tau --from early",
        "a word for a time",
        "Option --from must be a number, but is 'early'.",
    ),
    (
        f"{FIT} --free tau --from 1 --from-sample 2",
        "two beginnings",
        "Option --from-sample excludes --from.",
    ),
    (
        f"{FIT} --free tau --from 99",
        "nothing left",
        "Options --from, --from-sample and --to leave none of the 20 samples.",
    ),
    (
        f"{FIT} --free tau --loss huber",
        "no such loss",
        "Option --loss must be linear or soft_l1, but is 'huber'.",
    ),
    (
        f"{FIT} --free tau --channel 1",
        "a channel of a table",
        "Option --channel is for files other than tables, but recording.csv is a table: name columns with --trace.",
    ),
    (
        f"{FIT} --free tau --window 50:90",
        "a window after the end",
        "Argument `window` must hold samples of recording.csv, which go from 0 to 19 ms, but is (50, 90).",
    ),
    (
        f"{FIT} --free tau --sweeps 1",
        "a sweep that there is not",
        "Argument `sweeps` must be from 0 to 0, the sweeps of recording.csv, but has 1.",
    ),
    (
        "fit none.abf --kernel expon --spikes 0 --free tau",
        "no such recording",
        "There is no file none.abf.",
    ),
    (
        "fit none.abf --kernel expon --spikes 0 --free tau --trace mean_pA",
        "a column of what is no table",
        "Option --trace is for tables, but none.abf is not one: use --channel and --sweeps.",
    ),
    (
        "fit samples.csv --kernel expon --spikes 0 --free tau",
        "a letter among the samples",
        "Line 3 of samples.csv must have a number in column 2, but has 'x'.",
    ),
    (
        f"{FIT} --free tau --plot recording.png --out fit.csv",
        "another kind of file",
        "Option --out needs a file in .json, but got fit.csv.",
    ),
]


@pytest.mark.parametrize(("line", "wrong", "sentence"), TABLE, ids=[f"{row[0]}: {row[1]}" for row in TABLE])
def test_bad_command_line(line, wrong, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    assert main(shlex.split(line)) == 2, f"This went through: {wrong}."
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{sentence}\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == FILES
