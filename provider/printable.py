"""Remove control sequences from untrusted text, so that the text is safe in a terminal or a pull request comment."""

import re
import unicodedata

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|(?:\x1b[]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, …: titles, links
    r"|\x1b[ -/]*[0-~]"
)
"""Control sequences of terminals, as ECMA-48 defines them."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories of invisible characters: controls, formats, surrogates, private use, line separators."""


def printable(text: str) -> str:
    """Remove terminal control sequences and replace other invisible characters, except newline and tab, with U+FFFD."""
    if text.isprintable():
        return text
    plain = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return "".join("\ufffd" if unicodedata.category(char) in _HIDDEN and char not in "\n\t" else char for char in plain)
