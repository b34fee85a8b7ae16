"""Lays out the diagram of a lab: apps at the top, then the platform, the API endpoint and the machines."""

from collections.abc import Sequence
from itertools import islice

from components.app.settings import AppSettings
from components.cluster.settings import ClusterSettings, NodeSettings
from components.platform.platform import install_stages
from operations.picture.svg import Area, Canvas, style_sheet
from operations.picture.theme import DARK, LIGHT, NAME, SECTION, SMALL, STYLES, TITLE, VALUE
from stacks.homelab import layers_of
from stacks.settings import LabStack

WIDTH = 880
MARGIN = 24
INNER_WIDTH = WIDTH - 2 * MARGIN
GAP = 12
PADDING = 14
LINE_HEIGHT = 18
NODE_HEIGHT = 90
"""Height of a machine's box, in pixels."""
HEADING_GAP = 30
"""Distance from the baseline of a section's title to its content, in pixels."""


def draw_lab(settings: LabStack, apps: Sequence[AppSettings]) -> str:
    """Draw the diagram of the lab as SVG; the same settings always produce the same bytes."""
    canvas, cluster = Canvas(WIDTH), settings.cluster
    y = _header(canvas, cluster)
    if apps:
        y = _apps(canvas, y, cluster, apps)
    y = _platform(canvas, y, settings)
    y = _machines(canvas, y, cluster)
    return canvas.svg(y, f"The lab {cluster.name}", style_sheet(iter(STYLES), LIGHT, DARK))


def _header(canvas: Canvas, cluster: ClusterSettings) -> float:
    canvas.text((MARGIN, 46), cluster.name, TITLE, INNER_WIDTH * 0.6)
    canvas.text((MARGIN, 70), cluster.domain, VALUE, INNER_WIDTH * 0.6, ink="dim")
    right = WIDTH - MARGIN
    canvas.text((right, 46), f"K3s {cluster.k3s.version}", NAME, INNER_WIDTH * 0.35, anchor="end")
    count = ", ".join(_count_of(len(nodes), role) for nodes, role in _roles(cluster) if nodes)
    canvas.text((right, 70), f"{count} in {cluster.lan}", SMALL, INNER_WIDTH * 0.38, ink="dim", anchor="end")
    return 104


def _count_of(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"


def _roles(cluster: ClusterSettings) -> tuple[tuple[Sequence[NodeSettings], str], ...]:
    return (cluster.servers, "server"), (cluster.agents, "agent")


def _section(canvas: Canvas, y: float, title: str, about: str) -> float:
    canvas.text((MARGIN, y), title, SECTION, INNER_WIDTH * 0.3)
    canvas.text((WIDTH - MARGIN, y), about, SMALL, INNER_WIDTH * 0.65, ink="dim", anchor="end")
    return y + HEADING_GAP / 2


def _apps(canvas: Canvas, y: float, cluster: ClusterSettings, apps: Sequence[AppSettings]) -> float:
    y = _section(canvas, y, "Apps", "by their host names")
    cards = [(app.name, [f"https://{name}" for name in _hosts(app, cluster)] or ["no host name"]) for app in apps]
    return _cards(canvas, y, cards, min(2, len(cards)), "app") + HEADING_GAP


def _hosts(app: AppSettings, cluster: ClusterSettings) -> list[str]:
    return [host if "." in host else f"{host}.{cluster.domain}" for host in app.hosts]


def _platform(canvas: Canvas, y: float, settings: LabStack) -> float:
    layers = layers_of(settings)
    if not layers:
        return y
    note = "the numbers show the order of installation: each layer waits for its dependencies"
    y = _section(canvas, y, "Platform", note)
    charts = settings.platform.charts()
    for number, step in reversed(list(enumerate(install_stages(layers), start=1))):
        cards = [(layer.key, [f"{name} {charts[name].version}" for name in layer.values()]) for layer in step]
        canvas.box(Area(MARGIN, y, 26, 26), "step", 13)
        canvas.text((MARGIN + 13, y + 17.5), str(number), SMALL, 22, anchor="middle")
        y = _cards(canvas, y, cards, 3, "layer", left=MARGIN + 38) + GAP
    return y + HEADING_GAP - GAP


def _cards(
    canvas: Canvas,
    y: float,
    cards: Sequence[tuple[str, list[str]]],
    columns: int,
    css_class: str,
    *,
    left: float = MARGIN,
) -> float:
    """Draw rows of cards with a title and text lines; return the y coordinate of the last row's lower edge."""
    width = (WIDTH - MARGIN - left - (columns - 1) * GAP) / columns
    remaining = iter(cards)
    while row := list(islice(remaining, columns)):
        height = 2 * PADDING + LINE_HEIGHT * max(len(lines) for _, lines in row) + 14
        for index, (name, lines) in enumerate(row):
            x = left + index * (width + GAP)
            _card(canvas, Area(x, y, width, height), css_class)
            canvas.text((x + PADDING + 4, y + PADDING + 11), name, NAME, width - 2 * PADDING - 4)
            for number, text in enumerate(lines, start=1):
                canvas.text(
                    (x + PADDING + 4, y + PADDING + 12 + number * LINE_HEIGHT),
                    text,
                    VALUE,
                    width - 2 * PADDING - 4,
                    ink="dim",
                )
        y += height + GAP
    return y - GAP


def _card(canvas: Canvas, area: Area, css_class: str) -> None:
    canvas.box(area, "card")
    canvas.box(Area(area.x, area.y + 8, 4, area.height - 16), css_class, 2)


def _machines(canvas: Canvas, y: float, cluster: ClusterSettings) -> float:
    columns = max(3, min(5, len(cluster.servers)))
    y = _section(canvas, y, "Kubernetes API", _endpoint_kind(cluster))
    bottom = _endpoint(canvas, y, cluster)
    y = bottom + 2 * HEADING_GAP
    tops = _nodes(canvas, y, cluster.servers, columns)
    bus = bottom + HEADING_GAP
    canvas.line((WIDTH / 2, bottom), (WIDTH / 2, bus))
    canvas.line((tops[0], y), (tops[0], bus), (tops[-1], bus), (tops[-1], y))
    for x in tops[1:-1]:
        canvas.line((x, bus), (x, y))
    y += -(-len(cluster.servers) // columns) * (NODE_HEIGHT + GAP) - GAP + HEADING_GAP
    if cluster.agents:
        y = _section(canvas, y + 4, "Agents", "workloads only")
        _nodes(canvas, y, cluster.agents, columns)
        y += -(-len(cluster.agents) // columns) * (NODE_HEIGHT + GAP) - GAP + HEADING_GAP
    return y - 6


def _endpoint_kind(cluster: ClusterSettings) -> str:
    if cluster.api.external:
        return "a load balancer in front of the servers"
    if not cluster.api.vip:
        return "one server"
    behind = ", with HAProxy to all servers" if cluster.api.balancer else ""
    return f"a virtual IP, held by one server at a time ({cluster.api.by}{behind})"


def _endpoint(canvas: Canvas, y: float, cluster: ClusterSettings) -> float:
    host = f"[{cluster.endpoint_host}]" if ":" in cluster.endpoint_host else cluster.endpoint_host
    url = f"https://{host}:{cluster.endpoint_port}"
    width = min(INNER_WIDTH, VALUE.width(url) + 64)
    canvas.box(Area((WIDTH - width) / 2, y, width, 40), "endpoint", 20)
    canvas.text((WIDTH / 2, y + 25), url, VALUE, width - 32, anchor="middle")
    return y + 40


def _nodes(canvas: Canvas, y: float, nodes: Sequence[NodeSettings], columns: int) -> list[float]:
    """Draw the machines in rows; return the x coordinates of the centres of the machines in the first row."""
    width = (INNER_WIDTH - (columns - 1) * GAP) / columns
    first = min(columns, len(nodes))
    left = MARGIN + (0 if len(nodes) > columns else (columns - first) * (width + GAP) / 2)
    for index, node in enumerate(nodes):
        row, column = divmod(index, columns)
        _node(canvas, left + column * (width + GAP), y + row * (NODE_HEIGHT + GAP), width, node)
    return [left + column * (width + GAP) + width / 2 for column in range(first)]


def _node(canvas: Canvas, x: float, y: float, width: float, node: NodeSettings) -> None:
    _card(canvas, Area(x, y, width, NODE_HEIGHT), node.role)
    inner, left = width - 2 * PADDING - 4, x + PADDING + 4
    tag = SMALL.width(node.role) + 16
    canvas.text((left, y + 27), node.name, NAME, inner)
    canvas.text((left, y + 49), ", ".join(node.addresses), VALUE, inner)
    labels = ", ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    about = " · ".join(filter(None, (node.arch or "any arch", labels)))
    canvas.text((left, y + 72), about, SMALL, inner - tag - 8, ink="dim")
    canvas.box(Area(x + width - PADDING - tag, y + 58, tag, 20), f"{node.role}-tag", 10)
    canvas.text((x + width - PADDING - tag / 2, y + 72), node.role, SMALL, tag, anchor="middle")
