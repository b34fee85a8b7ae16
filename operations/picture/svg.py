"""Draws box diagrams as SVG with a light and a dark colour scheme."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MONO_WIDTH = 0.61
BOLD_FACTOR = 1.13
MIN_SCALE = 0.8
"""Smallest font size of a text, as a fraction of its normal size; a text that is still too wide is truncated."""
_WIDTHS = {"ijlI|!.,:;'/ ": 0.37, "frt()[]-": 0.42, "mwMW@%…+=<>": 1.0, "ABCDEFGHKLNOPQRSTUVXYZ": 0.79}
"""Character widths in em of DejaVu Sans, the widest of the usual fonts; all other characters have 0.65."""
_CHARACTER_WIDTHS = {character: width for characters, width in _WIDTHS.items() for character in characters}

Palette = Mapping[str, str]
Point = tuple[float, float]


@dataclass(frozen=True)
class Area:
    """A rectangle: the coordinates of its upper left corner, its width and its height, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Style:
    """A text style: its CSS class, font size, weight and family."""

    name: str
    size: float
    bold: bool = False
    mono: bool = False

    def width(self, text: str, size: float | None = None) -> float:
        """Estimate the width of a text in pixels from typical character widths; the real width is usually smaller."""
        em = sum(_width(character, self.mono) for character in text)
        return em * (size or self.size) * (BOLD_FACTOR if self.bold and not self.mono else 1)

    def css_rule(self) -> str:
        """Return the CSS rule of this text style."""
        weight = "600" if self.bold else "400"
        return f".{self.name}{{font:{weight} {self.size:g}px {MONO if self.mono else SANS}}}"


def _width(character: str, mono: bool) -> float:
    if not character.isascii() and character != "…":
        return 1.2
    return MONO_WIDTH if mono else _CHARACTER_WIDTHS.get(character, 0.65)


def fit_text(text: str, style: Style, max_width: float) -> tuple[str, float]:
    """Fit a text into `max_width` pixels: shrink the font, then cut the text's middle. Return text and font size."""
    size = max(style.size * MIN_SCALE, min(style.size, max_width / max(style.width(text, 1), 0.01)))
    left, right = text[: (len(text) + 1) // 2], text[(len(text) + 1) // 2 :]
    while left and style.width(shown := text if left + right == text else f"{left}…{right}", size) > max_width:
        left, right = (left[:-1], right) if len(left) > len(right) else (left, right[1:])
    return (shown if left else "…"), size


@dataclass
class Canvas:
    """An SVG drawing; the y axis points down."""

    width: float
    parts: list[str] = field(default_factory=list)

    def box(self, area: Area, css_class: str, radius: float = 8) -> None:
        """Draw a rectangle."""
        attributes = f'x="{area.x:g}" y="{area.y:g}" width="{area.width:g}" height="{area.height:g}"'
        self.parts.append(f'<rect class="{css_class}" {attributes} rx="{radius:g}"/>')

    def line(self, *points: Point) -> None:
        """Draw a line through the points."""
        joined = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="line" points="{joined}"/>')

    def text(
        self, at: Point, text: str, style: Style, max_width: float, *, ink: str = "ink", anchor: str = "start"
    ) -> None:
        """Draw a text of at most `max_width` pixels with its baseline at `at`; a tooltip shows a cut text in full."""
        shown, size = fit_text(text, style, max_width)
        shrunk = f' style="font-size:{size:.2f}px"' if size < style.size else ""
        end = f' text-anchor="{anchor}"' if anchor != "start" else ""
        tip = f"<title>{escape(text)}</title>" if shown != text else ""
        position = f'x="{at[0]:g}" y="{at[1]:g}"'
        self.parts.append(f'<text class="{style.name} {ink}" {position}{end}{shrunk}>{tip}{escape(shown)}</text>')

    def svg(self, height: float, title: str, sheet: str) -> str:
        """Return the SVG document, with a background that makes the drawing readable on light and dark pages."""
        size = f'width="{self.width:g}" height="{height:g}" viewBox="0 0 {self.width:g} {height:g}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" {size}>'
        ground = f'<rect class="ground" x="0.5" y="0.5" width="{self.width - 1:g}" height="{height - 1:g}" rx="12"/>'
        lines = (head, f"<title>{escape(title)}</title>", f"<style>\n{sheet}\n</style>", ground, *self.parts, "</svg>")
        return "\n".join(lines) + "\n"


def style_sheet(styles: Iterator[Style], light: Palette, dark: Palette) -> str:
    """Return the CSS style sheet of the drawing; a palette maps CSS classes to their colours."""
    rules = [style.css_rule() for style in styles]
    rules += [f".{name}{{{paint}}}" for name, paint in light.items()]
    dark_rules = "\n".join(f".{name}{{{paint}}}" for name, paint in dark.items())
    return "\n".join((*rules, f"@media (prefers-color-scheme: dark){{\n{dark_rules}\n}}"))
