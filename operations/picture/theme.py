"""Text styles and colours of the diagram that shows a lab."""

from operations.picture.svg import Palette, Style

TITLE = Style("title", 24, bold=True)
SECTION = Style("section", 14, bold=True)
NAME = Style("name", 14, bold=True)
VALUE = Style("value", 12.5, mono=True)
SMALL = Style("small", 12)
STYLES = (TITLE, SECTION, NAME, VALUE, SMALL)

LIGHT: Palette = {
    "ground": "fill:#f6f8fa;stroke:#d1d9e0",
    "card": "fill:#fff;stroke:#d1d9e0",
    "step": "fill:#fff;stroke:#d1d9e0",
    "line": "fill:none;stroke:#8250df;stroke-width:1.5",
    "ink": "fill:#1f2328",
    "dim": "fill:#59636e",
    "app": "fill:#bc4c00",
    "layer": "fill:#1b7c83",
    "endpoint": "fill:#fbefff;stroke:#8250df;stroke-width:1.5",
    "server": "fill:#0969da",
    "server-tag": "fill:#ddf4ff",
    "agent": "fill:#1a7f37",
    "agent-tag": "fill:#dafbe1",
}
DARK: Palette = {
    "ground": "fill:#0d1117;stroke:#3d444d",
    "card": "fill:#151b23;stroke:#3d444d",
    "step": "fill:#151b23;stroke:#3d444d",
    "line": "fill:none;stroke:#ab7df8;stroke-width:1.5",
    "ink": "fill:#f0f6fc",
    "dim": "fill:#9198a1",
    "app": "fill:#f0883e",
    "layer": "fill:#39c5cf",
    "endpoint": "fill:#271052;stroke:#ab7df8;stroke-width:1.5",
    "server": "fill:#4493f8",
    "server-tag": "fill:#0c2d6b",
    "agent": "fill:#3fb950",
    "agent-tag": "fill:#033a16",
}
