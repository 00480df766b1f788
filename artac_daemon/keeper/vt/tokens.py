"""What a terminal's output is made of, as regular expressions over decoded text."""

from __future__ import annotations

import re

from .widths import NARROW

# A sequence that is longer is not one; it is passed over to its end.
LONGEST_SEQUENCE = 1024
LONGEST_STRING = 64 * 1024

# Within a control sequence: parameters, and controls, which are done as if they stood before it.
_BODY = r"[\x00-\x17\x19\x1c-?\x7f]*"

# The last group that took part tells what was found.
LINE, NEWLINE, TEXT = 2, 3, 1
PLAIN_CSI, CONTROL, OTHER_TEXT, CSI, OSC, ESCAPE, STRING, INCOMPLETE = 5, 6, 7, 9, 10, 12, 13, 14

TOKEN = re.compile(
    rf"([{NARROW}]+)(\r*\n)?"
    r"|(\r*\n)"
    r"|\x1b\[([0-9;:]*)([@-~])"
    r"|([\x00-\x1a\x1c-\x1f\x7f])"
    r"|([^\x00-\x7f]+)"
    rf"|\x1b\[({_BODY})([@-~])"
    r"|\x1b\]([^\x07\x18\x1a\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b([ -/]*)([0-OQ-WYZ\\`-jl-~])"
    r"|\x1b([\]PX^_k])"
    rf"|(\x1b(?:\[{_BODY}|[ -/]*)\Z)"
    rf"|\x1b(?:\[{_BODY}[\x18\x1a]?|[ -/]*)"
)

# What says how to go on, with the screen left out of it: modes, pen, keyboard, region, titles,
# charsets. Its groups: a control sequence's body and final, a command, a charset's place and name,
# an escape's final.
FOLLOWED = re.compile(
    rf"\x1b(?:\[({_BODY})([hlmnpqrtu])"
    r"|\]([^\x07\x18\x1a\x1b]*)(?:\x07|\x1b\\)"
    r"|([()*+])([0-~])|([78=>c]))"
)

# A command ends with BEL, too; other strings do not.
COMMAND_END = re.compile(r"[\x07\x18\x1a\x1b]")
STRING_END = re.compile(r"[\x18\x1a\x1b]")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
