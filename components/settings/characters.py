"""Invisible characters, which texts from web pages and word processors contain."""

import unicodedata

_CONTROL = ("Cc", "Cf", "Zl", "Zp")


def invisible_character(text: str) -> str | None:
    """Return the code point of the first invisible character in `text`, such as `U+200B`, or None.

    Invisible characters are control and format characters, and all spaces except the usual space, tab and line break.
    """
    for character in text:
        category = unicodedata.category(character)
        is_invisible = category in _CONTROL or (category == "Zs" and character != " ")
        if is_invisible and character not in "\t\n\r":
            return f"U+{ord(character):04X}"
    return None
