"""Text that others wrote, made fit for a terminal or a comment."""

import re
import unicodedata

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and its like: titles, links
    r"|\x1b[ -/]*[0-~]"
)
"""What a terminal takes as a command, by ECMA-48."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Kinds of characters that are not seen: controls, directions, halves of characters, separators of lines."""


def printable(text: str) -> str:
    """Take out what a terminal would obey; other characters that are not seen become U+FFFD, but for line and tab."""
    if text.isprintable():
        return text
    plain = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return "".join("\ufffd" if unicodedata.category(each) in _HIDDEN and each not in "\n\t" else each for each in plain)
