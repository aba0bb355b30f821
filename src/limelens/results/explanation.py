"""Why a model scored one image as it did: a record, and all that can be derived from it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.bands import Bands
from limelens._checks.values import check_choice, check_int
from limelens._typing import Fill, Floats, Image, Seed
from limelens.engine.samples import Samples
from limelens.fills.background import show_only
from limelens.pictures.colors import OPACITY
from limelens.pictures.display import MAX_SIDE
from limelens.pictures.fonts import FontFile
from limelens.results.cards import card, png_of
from limelens.results.confidence import TopConfidence, top_confidence
from limelens.results.exports import Exported
from limelens.results.heatmaps import chosen_interpolation, pixel_map
from limelens.results.inside import Inside, inside
from limelens.results.pages import interactive_page
from limelens.results.ranking import SIGNS, strongest
from limelens.results.record import (
    check_per_segment,
    rows_of,
    rows_to_save,
    summed_fields,
    target_row,
)
from limelens.results.renderings import (
    asked_of_all,
    draw_explanation,
    draw_top_segments,
    one_line,
    plot_explanation,
)
from limelens.results.stability import StabilityReport, stability_report
from limelens.results.storage import read_record, write_record
from limelens.results.target_panels import figure_of
from limelens.results.written import path_ending_in, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation(Exported):
    """Why a model scored one image as it did.

    Explainers make it, and its methods only derive from its fields. In every method, `target` is a
    score column or its name; None is the first target.

    Parameters
    ----------
    image : ndarray
        The explained image, in the caller's layout and dtype.
    importances : ndarray of float64, shape (t, d) or (t, *spatial)
        One number per target and segment or pixel; positive where it raises the score.
    scores : ndarray, shape (k,)
        The model's answer to the intact image.
    hidden_scores : ndarray, shape (k,)
        The model's answer with everything hidden.
    targets : tuple of int, length t
        The explained score columns.
    target_names : tuple of str, length t
    target_values : ndarray of float64, shape (t, 2), optional
        Values of each target for `scores` and for `hidden_scores`.
    segments : ndarray of int, shape (*spatial,), optional
        Labels `0..d-1`, and -1 outside `valid`; None for window and pixel methods.
    standard_errors : ndarray of float64, optional
        Standard errors of the importances, in their shape; NaN where they are not known.
    fidelity : ndarray of float64, shape (t,), optional
        Share of the scores' variance that the surrogate predicts on held-out rows (R²).
    reliability : ndarray of float64, shape (t,), optional
        Predicted correlation with the importances from infinitely many samples.
    n_predictions : int
        Images the model saw.
    samples : Samples, optional
        The rows that were paid for.
    channel_axis : int, optional
        Where `image` has its channels, counted from the front; None if it has none.
    explainer : str
        The explainer's repr.
    details : dict
        Further results of the method; its explainer documents the keys. "interpolation" is how
        the method wants its map to be drawn, "bands" the channels that pictures show of an image
        that said so itself, "unit" that of the importances where they are no changes of the score
        by a region: "score per pixel" or "activation". "rounding" holds by how much rounding can
        move each target: the step of scores that are seen to be rounded, or eight times the
        precision of the model's numbers; with ``scale="link"``, of the log-odds.
    targets_are_columns : bool
        Whether `targets` are columns of `scores`. It is False where a callable target made the
        values: `targets` then numbers these values, and `scores` is the model's answer.
    valid : ndarray of bool, shape (*spatial,), optional
        Pixels that count, as given to `explain`; None where all do. Outside, maps are zero.

    Raises
    ------
    InvalidInputError
        If the fields do not fit each other.

    Examples
    --------
    >>> explanation = Explanation(
    ...     image=np.zeros((2, 2), np.uint8),
    ...     importances=np.array([[0.6, -0.1]]),
    ...     scores=np.array([0.1, 0.9]),
    ...     hidden_scores=np.array([0.5, 0.5]),
    ...     targets=(1,),
    ...     target_names=("cat",),
    ...     segments=np.array([[0, 0], [1, 1]]),
    ... )
    >>> explanation.heatmap("cat")
    array([[ 0.6,  0.6],
           [-0.1, -0.1]])
    >>> explanation.top_mask(1)
    array([[ True,  True],
           [False, False]])
    """

    def heatmap(
        self, target: int | str | None = None, *, interpolation: str | None = None
    ) -> Floats:
        """Return the importances of one target per pixel, shape (*spatial,).

        Parameters
        ----------
        target : int or str, optional
        interpolation : {"nearest", "bilinear", "bicubic", "smooth", "guided"}, optional
            "nearest" leaves the map as it is. "bilinear" and "bicubic" interpolate between the
            cell centres of a grid. They smooth other segments by moving averages, and a map per
            pixel only over the windows that it was made of. "smooth" is a Gaussian with a third of
            the width of one of 50 segments, and "guided" follows the edges of the image. None is
            "smooth" for `Sharp`, and "nearest" for all others.
        """
        row = target_row(self, target)
        return pixel_map(self, row, chosen_interpolation(self, interpolation, drawn=False))

    def top_segments(
        self, n: int, target: int | str | None = None, *, sign: str = "positive"
    ) -> NDArray[np.intp]:
        """Return the ids of the `n` most important segments, strongest first.

        `sign` is "positive" (they raise the score), "negative" (they lower it) or "absolute".
        There are fewer than `n` if fewer have such an importance: zero is never among the top.
        """
        n = check_int("n", n, minimum=1)
        check_choice("sign", sign, SIGNS)
        row = target_row(self, target)
        check_per_segment(self)
        return strongest(self.importances[row], n, sign)

    def top_mask(
        self, n: int, target: int | str | None = None, *, sign: str = "positive"
    ) -> NDArray[np.bool_]:
        """Return where the `n` most important segments are, bool of shape (*spatial,)."""
        return np.isin(check_per_segment(self), self.top_segments(n, target, sign=sign))

    def masked_image(
        self,
        n: int,
        target: int | str | None = None,
        *,
        sign: str = "positive",
        fill: Fill | None = None,
    ) -> Image:
        """Return the image with nothing but the `n` most important segments left.

        The rest shows what `fill` returns, the first of several backgrounds; None is the mean
        colour. Pixels outside `valid` stay. Layout and dtype are those of the image.
        """
        shown = self.top_mask(n, target, sign=sign)
        parts = self.channel_axis, check_per_segment(self), shown, fill
        return show_only(self.image, *parts, self.valid)

    def top_confidence(
        self, k: int, target: int | str | None = None, *, sign: str = "positive"
    ) -> TopConfidence:
        """Return which of the `k` strongest segments are certain, likely or open."""
        return top_confidence(self, k, target, sign=sign)

    def inside(
        self,
        mask: ArrayLike,
        target: int | str | None = None,
        *,
        sign: str = "positive",
        nulls: "Sequence[Explanation]" = (),
    ) -> Inside:
        """Return the share of the importance inside a region, bool of shape (*spatial,).

        With its standard error, the region's area, and z for more than the area's share. With
        `nulls`, explanations in which there is nothing to find, z compares with them: see `Inside`.
        """
        return inside(self, mask, target, sign=sign, nulls=nulls)

    def stability_report(
        self, target: int | str | None = None, *, k: int = 5, n_splits: int = 20, rng: Seed = None
    ) -> StabilityReport:
        """Return how much maps from sub-samples of the rows already paid for agree.

        It takes no model call: `k` strongest segments are compared, over `n_splits` divisions.
        """
        return stability_report(self, target, k=k, n_splits=n_splits, rng=rng)

    def for_target(self, target: int | str) -> "Explanation":
        """Return the same explanation with this one target only."""
        return replace(self, **rows_of(self, target_row(self, target)))

    def by_segment(self, labels: ArrayLike) -> "Explanation":
        """Return the importances per pixel summed over the segments of a label image.

        The pixels' standard errors are dropped, as pixels of one map are not independent. A mean
        over segmentations, such as that of `Sharp`, gets errors from the spread of the sums.
        """
        return replace(self, **summed_fields(self, labels))

    def to_image(
        self,
        target: int | str | None = None,
        *,
        interpolation: str | None = None,
        scale: str | float = "auto",
        opacity: float = OPACITY,
        backdrop: str = "grey",
        boundaries: bool | None = None,
        max_side: int = MAX_SIDE,
        bands: Bands = None,
    ) -> "Picture":
        """Return a Pillow image: orange raises the score, blue lowers it, zero is light grey.

        `interpolation`: see `heatmap`; None is "smooth" for maps of more than eight segments, whose
        borders are an accident. `scale`: see `color_limit`; `opacity`, `backdrop`, `max_side`: see
        `draw_overlay`; `bands` there, too, in every picture: the channels that are shown of many.
        `boundaries` are drawn unless the map is smoothed; True or False decides.
        """
        return draw_explanation(
            self,
            target,
            interpolation=interpolation,
            scale=scale,
            opacity=opacity,
            backdrop=backdrop,
            max_side=max_side,
            boundaries=boundaries,
            bands=asked_of_all([self], bands)[0],
        )

    def top_image(
        self,
        n: int,
        target: int | str | None = None,
        *,
        sign: str = "absolute",
        colors: str = "limelens",
        max_side: int = MAX_SIDE,
        bands: Bands = None,
    ) -> "Picture":
        """Return a Pillow image: the `n` top segments, numbered by rank, strongest first.

        A solid orange outline raises the score, a dashed blue one lowers it; ``colors="lime"``:
        lime's green and red, which many people cannot tell apart.
        """
        ranked = self.top_segments(n, target, sign=sign)
        row = target_row(self, target)
        return draw_top_segments(self, ranked, row, colors=colors, max_side=max_side, bands=bands)

    @overload
    def figure(
        self,
        targets: int | str | Sequence[int | str] | None = None,
        *,
        n: int = 5,
        interpolation: str | None = None,
        scale: str | float = "auto",
        title: str = "",
        panel_side: int = 320,
        font: FontFile = None,
        bands: Bands = None,
        format: Literal["image"] = "image",
    ) -> "Picture": ...

    @overload
    def figure(
        self,
        targets: int | str | Sequence[int | str] | None = None,
        *,
        n: int = 5,
        interpolation: str | None = None,
        scale: str | float = "auto",
        title: str = "",
        panel_side: int = 320,
        font: FontFile = None,
        bands: Bands = None,
        format: Literal["svg"],
    ) -> str: ...

    def figure(
        self,
        targets: int | str | Sequence[int | str] | None = None,
        *,
        n: int = 5,
        interpolation: str | None = None,
        scale: str | float = "auto",
        title: str = "",
        panel_side: int = 320,
        font: FontFile = None,
        bands: Bands = None,
        format: Literal["image", "svg"] = "image",  # noqa: A002
    ) -> "Picture | str":
        """Return one picture: the image, and for each target its map with name, score and scale.

        `targets` names some of them; the `n` strongest segments are numbered and listed; `font`:
        see `sheet`. ``format="svg"`` returns SVG text, for print.
        """
        drawing = figure_of(
            self,
            targets,
            n=n,
            interpolation=interpolation,
            scale=scale,
            title=title,
            panel_side=panel_side,
            font=font,
            format=format,
            bands=asked_of_all([self], bands)[0],
        )
        return drawing.to_svg() if format == "svg" else drawing.to_picture(font)

    def plot(
        self,
        target: int | str | None = None,
        *,
        n: int = 12,
        interpolation: str | None = None,
        scale: str | float = "auto",
        bands: Bands = None,
    ) -> "Figure":
        """Return a matplotlib figure: the overlay, and the `n` strongest segments as bars.

        Save it with `plot().savefig(path)`. Raises ImportError without the extra `plot`.
        """
        return plot_explanation(
            self, target, n=n, interpolation=interpolation, scale=scale, bands=bands
        )

    def to_html(
        self,
        path: str | PathLike[str] | None = None,
        *,
        title: str = "",
        max_side: int = 1000,
        theme: str = "auto",
        compare: "Explanation | None" = None,
        bands: Bands = None,
    ) -> str:
        """Return an interactive page as HTML, and write it to `path` if there is one.

        It refers to nothing outside itself. Regions under the pointer, or walked by arrow keys,
        say their importance. `title` replaces "Why cat?"; `max_side` is the longest side of the
        photograph; `theme` is "auto", "light" or "dark"; `compare` is another explanation of the
        same image, laid over this one with a swipe.
        """
        html = interactive_page(
            self, title=title, max_side=max_side, theme=theme, compare=compare, bands=bands
        )
        if path is not None:
            write_text(path_ending_in(".html", path, "explanation.to_html({path!r})"), html)
        return html

    def save(self, path: str | PathLike[str], *, samples: str | None = "targets") -> None:
        """Write the explanation to one file, an `.npz` without pickle, under the name given.

        `samples` says what is kept of the rows paid for: the scores of the "targets"; "all" scores,
        which `reuse` needs; or None. A callable target's rows are kept with all scores.
        `details` may hold None, numbers, strings, arrays, and lists, tuples and dicts of these.
        """
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        write_record(path, record | {"samples": rows_to_save(self, samples)})

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Explanation":
        """Read a file that `save` wrote; a foreign, damaged or cut one raises InvalidInputError."""
        record = read_record(path, {each.name for each in fields(cls)})
        return cls(**record | {"samples": Samples.from_fields(record["samples"])})

    def __repr__(self) -> str:
        return one_line(self)

    def _repr_html_(self) -> str:
        return card(self)

    def _repr_png_(self) -> bytes:
        return png_of(self)
