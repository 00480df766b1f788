"""The keys that put a message into Claude Code's input box as it is, and nothing but a message.

Measured with the CLI 2.1.330 and 2.1.197:

- A paste of more than three lines or about 800 characters is collapsed to `[Pasted text #1]`, and
  2.1.330 gives it to the model as `<pasted_content>`. Several short pastes in a row stay what they
  are. More than 10000 characters 2.1.197 truncates on its screen, and for 100 KB 2.1.330 takes 10 s
  (0.4 s for 7 KB); so a long text is one paste.
- An Enter in the same read as a paste may be swallowed (2.1.197). After the text is on the screen
  none was.
- `/` and `!` as the first character make it a command; to 2.1.197 those of a later paste do, too.
  After a blank `!` does not; nor does `/`, but in 2.1.330 only in a collapsed paste, which empty
  lines make of it. `#` and `@` are as in any message.
- A tab becomes four blanks; blanks at the end are cut off.
- A backslash before Enter makes a new line; with a blank between them it does not.
- For 1.5 s after something was typed no permission dialog is opened, so within that time Enter
  does not answer one. A paste counts, and while a dialog is open it is ignored.
"""

from __future__ import annotations

import re

ENTER = "\r"
HOLDS_DIALOGS_BACK = 1.5  # seconds

_BEGIN, _END = "\x1b[200~", "\x1b[201~"
_PIECE = 400  # characters
_LONG = 8 * 1024
_COMMANDS = ("/", "!")
_COLLAPSED_BY = "\n" * 4
# These, alone, end Claude, even with a blank before them.
_LEAVE = ("exit", "quit", ":q", ":q!", ":wq", ":wq!")
# An escape sequence in a text could end the paste; of the rest, Claude drops some without a word.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# Nothing that changes a message, and yet something typed.
NUDGE = f"{_BEGIN} {_END}"


def leaves(text: str) -> bool:
    """Whether Claude would take it for the wish to leave, and not for a message."""
    return text.strip() in _LEAVE


def harmless(text: str) -> str:
    """The text without what a terminal could take for a command; U+FFFD stands for it."""
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def keys(text: str) -> str:
    """The pastes of a message, without the Enter after them."""
    text = harmless(text).rstrip()
    pieces = [text] if len(text) > _LONG else _pieces(text)
    if text.lstrip().startswith("/"):
        pieces = [f" {text}{_COLLAPSED_BY}"]
    elif text.startswith("!"):
        pieces[0] = " " + pieces[0]
    return "".join(f"{_BEGIN}{piece}{_END}" for piece in pieces) + NUDGE


def _pieces(text: str) -> list[str]:
    """At most one line break in each, at its beginning."""
    found, at = [], 0
    while at < len(text):
        end = text.find("\n", at + 1)
        end = min(len(text) if end < 0 else end, at + _PIECE)
        while text[end : end + 1] in _COMMANDS:
            end += 1
        found.append(text[at:end])
        at = end
    return found
