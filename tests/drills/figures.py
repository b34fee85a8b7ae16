"""What drills measure."""

from collections.abc import Callable

Figure = Callable[[str, str], None]
"""Notes what was measured, under a name, for the table at the end."""
