"""What a terminal sends beside plain characters: where a sequence ends, and what it is."""

ESC = 0x1B
PASTE, PASTE_END = b"\x1b[200~", b"\x1b[201~"

# An answer is shorter; a clipboard that a program asked for can be long, and is then merely typed.
LONGEST = 64 * 1024
_STRINGS = b"]P_^X"
_CAPS_AND_NUM_LOCK = 64 | 128
# Of the kitty keyboard protocol: the keys that are nothing but modifiers.
_MODIFIERS = range(57441, 57455)
PRESS, REPEAT, RELEASE = 1, 2, 3


def end_of(data: bytes, at: int) -> int:
    """Where the sequence that begins at `at` ends; -1 when it is not complete yet."""
    if at + 1 >= len(data):
        return -1
    kind = data[at + 1]
    if kind == 0x5B:  # [
        for place in range(at + 2, len(data)):
            byte = data[place]
            if 0x40 <= byte <= 0x7E:
                return place + 1
            if not 0x20 <= byte <= 0x3F:
                return place
        return -1 if len(data) - at < LONGEST else at + 1
    if kind == 0x4F:  # O
        return at + 3 if at + 2 < len(data) else -1
    if kind in _STRINGS:
        return _end_of_string(data, at)
    return at + 1 if kind == ESC else at + 2


def _end_of_string(data: bytes, at: int) -> int:
    escape = data.find(b"\x1b", at + 2)
    bell = data.find(b"\x07", at + 2) if data[at + 1] == 0x5D else -1
    if bell >= 0 and (escape < 0 or bell < escape):
        return bell + 1
    if 0 <= escape < len(data) - 1:
        return escape + 2 if data[escape + 1] == 0x5C else escape
    return -1 if len(data) - at < LONGEST else at + 2


def is_report(sequence: bytes) -> bool:
    """Whether a terminal says this by itself, or when asked; no key does."""
    if len(sequence) < 4:
        return False
    if sequence[1] in _STRINGS:
        return sequence.endswith((b"\x1b\\", b"\x07"))
    if sequence[1] != 0x5B:
        return False
    final, inner = sequence[-1:], sequence[2:-1]
    if inner[:1] in (b"?", b">", b"="):  # DA, DECXCPR, DECRPM, kitty's flags, colour scheme
        return final in b"cnRyu"
    if final == b"R":
        return _is_position(inner)
    if final == b"y":
        return inner.endswith(b"$")
    return final in b"tnc"  # XTWINOPS, DSR, an old terminal's DA


def _is_position(inner: bytes) -> bool:
    row, semicolon, column = inner.partition(b";")
    if not (semicolon and row.isdigit() and column.isdigit()):
        return False
    # F3 with modifiers looks like a position in the first row; as a key it still arrives.
    return not (row == b"1" and int(column) <= 256)


def is_pointer(sequence: bytes) -> bool:
    """Whether it is the mouse, or the window that got or lost the focus."""
    return sequence[1:2] == b"[" and (
        sequence in (b"\x1b[I", b"\x1b[O") or sequence[-1:] in (b"M", b"m")
    )


def key_in(sequence: bytes) -> tuple[int, int, int] | None:
    """A key in the forms of the kitty protocol or of modifyOtherKeys: code, modifiers, event.

    The modifiers are without the locks; None when it is neither.
    """
    if sequence[:2] != b"\x1b[":
        return None
    fields = sequence[2:-1].split(b";")
    try:
        if sequence[-1:] == b"u":
            code = int(fields[0].partition(b":")[0])
            modifiers, _, event = (fields[1] if len(fields) > 1 else b"").partition(b":")
        elif sequence[-1:] == b"~" and fields[0] == b"27" and len(fields) == 3:
            code, modifiers, event = int(fields[2]), fields[1], b""
        else:
            return None
        held = (int(modifiers or b"1") - 1) & ~_CAPS_AND_NUM_LOCK
        return code, held, int(event or b"1")
    except ValueError:
        return None


def is_modifier(code: int) -> bool:
    """Whether that key is nothing but a modifier."""
    return code in _MODIFIERS
