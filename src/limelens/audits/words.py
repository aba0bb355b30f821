"""An audit in words: one sentence for what was found, and a table of all effects."""

from html import escape

import numpy as np

from limelens.audits.record import Effect, Findings, called
from limelens.pictures.lettering import with_errors
from limelens.pictures.tables import html_table

_SIGNED = ("pattern", "property", "descriptor")
"""Kinds whose words say which direction raises."""

_HEAD = ("", "effect (95 %)", "per", "share of images", "shuffled", "p")


def audit_text(audit: Findings) -> str:
    """Return the sentences and the table of an audit."""
    lines = [_heading(audit), *(f"  {each}" for each in sentences(audit)), ""]
    rows = [_HEAD, *_table(audit)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def audit_html(audit: Findings) -> str:
    """Return the same for a notebook."""
    said = "".join(f"<p>{escape(each)}</p>" for each in (_heading(audit), *sentences(audit)))
    return f"<div>{said}{html_table(_HEAD, _table(audit))}</div>"


def sentences(audit: Findings) -> list[str]:
    """Say what was found, clearest first; the words of a pattern stand for its properties."""
    found = list(audit.found)
    if any(effect.kind == "pattern" for effect in found):
        found = [effect for effect in found if effect.kind not in ("property", "descriptor")]
    said = [_sentence(effect, audit) for effect in found]
    if not said:
        return [f"Nothing was found that chance does not explain (level {audit.level:g})."]
    return said


def share_words(effect: Effect) -> str:
    """Return a share of images with its interval, for example "71 % [63, 78]"."""
    if np.isnan(effect.share):
        return ""
    low, high = 100 * effect.share_low, 100 * effect.share_high
    return f"{100 * effect.share:.0f} % [{low:.0f}, {high:.0f}]"


def _heading(audit: Findings) -> str:
    n = len(audit.names)
    return f"{audit.target_name}: {n} images, {audit.n_predictions} calls of the model"


def _sentence(effect: Effect, audit: Findings) -> str:
    subject, plural = _subject(effect)
    size, half = abs(effect.value), (effect.high - effect.low) / 2
    raises = effect.value > 0 or effect.kind in _SIGNED
    verb = ("raise" if raises else "lower") + ("" if plural else "s")
    text = f"{subject[0].upper()}{subject[1:]} {verb} {audit.quantity} by {size:.3g} ± {half:.2g}"
    if effect.kind in _SIGNED:
        text += " a region more than others"
    if share := share_words(effect):
        text += f", in {share} of images"
    if not np.isnan(effect.control):
        text += f"; shuffled control {effect.control:.2g} ± {effect.control_error:.2g}"
    return text + "."


def _subject(effect: Effect) -> tuple[str, bool]:
    """Return what is shown, and whether that is a plural."""
    if effect.kind == "place":
        return f"The region at the {effect.name}", False
    if effect.kind == "label":
        return f"{effect.name!r}", False
    if effect.kind == "any":
        return "Regions, whatever they are,", True
    words = effect.name if effect.kind == "pattern" else called(effect)
    *adjectives, last = words.split(", ")
    if last.startswith(("at the ", "in the ")):
        return f"{', '.join(adjectives)} regions {last}".strip(), True
    return f"{words} regions", True


def _table(audit: Findings) -> list[list[str]]:
    """Return a row of texts for each effect; the numbers of a column have like decimals."""
    effects = audit.effects
    own = [(each.value, (each.high - each.low) / 2) for each in effects]
    controls = [(each.control, each.control_error) for each in effects]
    columns = zip(effects, _column(own), _column(controls), strict=True)
    return [
        [
            effect.name,
            number,
            effect.unit,
            share_words(effect),
            control,
            f"{effect.p:.3f}{' *' if effect.found else ''}",
        ]
        for effect, number, control in columns
    ]


def _column(pairs: list[tuple[float, float]]) -> list[str]:
    """Return numbers with their errors, "?" for an unknown one, and nothing for an unknown number.

    Examples
    --------
    >>> _column([(2.0, 0.5), (-2.125, 0.25), (1.0, float("nan")), (float("nan"), 1.0)])
    ['+2.0 ± 0.5', '-2.1 ± 0.2', '+1.0 ± ?', '']
    """
    known = [pair for pair in pairs if not np.isnan(pair[0])]
    written = iter(with_errors([value for value, _ in known], [error for _, error in known]))
    return [
        "" if np.isnan(value) else next(written) + ("" if np.isfinite(error) else " ± ?")
        for value, error in pairs
    ]
