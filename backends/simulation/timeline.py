"""A play as a picture: one band a device, in the color of the model that is in its memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.simulation.playing import Played, Span

# Told apart by color-blind people, too (Okabe and Ito, 2008), on light and dark pages.
_COLORS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")

_WIDTH: Final = 1200
_LEFT: Final = 90
_RIGHT: Final = 20
_TOP: Final = 64
_BAND: Final = 34
_LANE: Final = 14
_GAP: Final = 18
_MARKS: Final = 12
_MINUTE_S: Final = 60
_STEPS_S: Final = (10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True)
class _Stay:
    """One stay of a model in a device's memory, with its loading and unloading; seconds."""

    model: str
    load_s: float
    ready_s: float
    unload_s: float
    gone_s: float


def timeline_svg(played: Played, *, title: str) -> str:
    """A play as an SVG picture.

    Above, a band shows which model is in the device's memory, pale while it comes and goes; below it, how many
    requests it answers, and in red the waits of those who chat.
    """
    end = max((span.end_s for span in played.spans), default=0.0) or 1.0
    models = sorted({span.model for span in played.spans})
    color = {model: _COLORS[index % len(_COLORS)] for index, model in enumerate(models)}
    scale = (_WIDTH - _LEFT - _RIGHT) / end
    row = _BAND + _LANE + _GAP
    height = _TOP + row * len(played.devices) + 40
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="{_LEFT}" y="22" font-size="16">{escape(title)}</text>'
        ),
        *_legend(color),
    ]
    for index, device in enumerate(played.devices):
        top = _TOP + index * row
        spans = [span for span in played.spans if span.device == device.name]
        parts.append(f'<text x="8" y="{top + 21}">{escape(device.name)}</text>')
        parts += _band(spans, color, scale, top, end)
        parts += _answering(spans, color, scale, top + _BAND, _LANE)
    parts += _axis(end, scale, height - 26)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(color: dict[str, str]) -> Iterator[str]:
    x = _LEFT
    for model, fill in color.items():
        yield f'<rect x="{x}" y="34" width="12" height="12" fill="{fill}"/>'
        yield f'<text x="{x + 17}" y="44">{escape(model)}</text>'
        x += 40 + 7 * len(model)


def _band(spans: list[Span], color: dict[str, str], scale: float, top: int, end: float) -> Iterator[str]:
    # Models that share the device share the band.
    stays = list(_stays(spans, end))
    lanes = _lanes(stays)
    height = _BAND / (max(lanes, default=0) + 1)
    for stay, lane in zip(stays, lanes, strict=True):
        y = top + lane * height
        for start, stop, opacity in (
            (stay.load_s, stay.ready_s, 0.35),
            (stay.ready_s, stay.unload_s, 1),
            (stay.unload_s, stay.gone_s, 0.35),
        ):
            yield (
                f'<rect x="{_LEFT + start * scale:.2f}" y="{y:.1f}" width="{(stop - start) * scale:.2f}" '
                f'height="{height:.1f}" fill="{color[stay.model]}" fill-opacity="{opacity}">'
                f"<title>{escape(stay.model)}, {start:.0f} to {stop:.0f} s</title></rect>"
            )


def _stays(spans: list[Span], end: float) -> Iterator[_Stay]:
    unloads = sorted((span for span in spans if span.kind == "unload"), key=lambda span: span.start_s)
    for load in sorted((span for span in spans if span.kind == "load"), key=lambda span: span.start_s):
        gone = next((one for one in unloads if one.model == load.model and one.start_s >= load.end_s), None)
        unload_s, gone_s = (gone.start_s, gone.end_s) if gone else (end, end)
        yield _Stay(load.model, load.start_s, load.end_s, unload_s, gone_s)


def _lanes(stays: list[_Stay]) -> list[int]:
    """For each stay the first lane that is free for its length."""
    free_at: list[float] = []
    lanes = []
    for stay in stays:
        lane = next((index for index, free in enumerate(free_at) if free <= stay.load_s), len(free_at))
        free_at[lane : lane + 1] = [stay.gone_s]
        lanes.append(lane)
    return lanes


def _answering(
    spans: list[Span], color: dict[str, str], scale: float, top: int, height: int
) -> Iterator[str]:
    requests = [span for span in spans if span.kind == "request"]
    most = max((count for *_, count in _levels(requests)), default=0)
    for model in sorted({span.model for span in requests}):
        outline = "".join(
            f"M{_LEFT + start * scale:.1f} {top + height}v{-height * count / most:.1f}"
            f"h{(stop - start) * scale:.2f}V{top + height}"
            for start, stop, count in _levels([span for span in requests if span.model == model])
            if count
        )
        yield f'<path d="{outline}" fill="{color[model]}" fill-opacity="0.6"/>'
    for span in requests:
        if span.priority == "interactive" and span.start_s > span.asked_s:
            x, width = _LEFT + span.asked_s * scale, (span.start_s - span.asked_s) * scale
            yield f'<rect x="{x:.2f}" y="{top + height + 2}" width="{width:.2f}" height="3" fill="#c00"/>'


def _levels(spans: list[Span]) -> list[tuple[float, float, int]]:
    """How many of the spans cover each moment, as (from, to, count), the moments of one count together."""
    changes = Counter(span.start_s for span in spans)
    changes.subtract(Counter(span.end_s for span in spans))
    moments = sorted(moment for moment, change in changes.items() if change)
    levels = []
    count = 0
    for moment, following in pairwise(moments):
        count += changes[moment]
        levels.append((moment, following, count))
    return levels


def _axis(end: float, scale: float, y: int) -> Iterator[str]:
    step = next((one for one in _STEPS_S if end / one <= _MARKS), _STEPS_S[-1])
    yield f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="#888"/>'
    for mark in range(0, int(end) + 1, step):
        x = _LEFT + mark * scale
        words = f"{mark // _MINUTE_S} min" if step >= _MINUTE_S else f"{mark} s"
        yield f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 5}" stroke="#888"/>'
        yield f'<text x="{x:.1f}" y="{y + 19}" text-anchor="middle" fill="#555">{words}</text>'
