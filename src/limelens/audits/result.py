"""What an audit found: effects with intervals, a mean map, and the images to look at."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, describe
from limelens._typing import Floats
from limelens.audits.drawing import draw_audit, draw_contact_sheet, enlarged_map
from limelens.audits.record import Effect, Findings, clearest, order_of
from limelens.audits.words import audit_html, audit_text
from limelens.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_ARRAYS = (
    "scores",
    "image_effects",
    "image_errors",
    "grid_effects",
    "grid_errors",
    "grid_p",
    "grid_found",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit(Findings):
    """What many images have in common in why a model answers as it does.

    Parameters
    ----------
    target_name : str
    quantity : str
        What effects are changes of: "log-odds" or "score".
    effects : tuple of Effect
        The pattern, if there is one, the rows of the table, and the places that were found.
    grid_effects, grid_errors : ndarray, shape (rows, columns)
        The mean map on the common grid and its standard errors: the effect of the region that is
        there.
    grid_p : ndarray, shape (rows, columns)
        How often chance would make any place as clear as this one.
    grid_found : ndarray of bool, shape (rows, columns)
        The places that were found.
    names : tuple of str
        Of the images.
    scores : ndarray, shape (n,)
        Value of the target for each intact image.
    image_effects, image_errors : ndarray, shape (n, len(effects))
        Each image's own effects with their standard errors. They are drawn towards the mean as far
        as they are noise.
    level : float
        Probability that anything at all is found where there is nothing.
    n_predictions : int
        Images that the model saw.
    mean_picture : ndarray of uint8, shape (side, side, 3)
        The mean of the images, each stretched to a square.
    thumbnails : tuple of bytes
        A small JPEG of each image.
    failures : tuple of Failure
        The images that could not be used: name, error, traceback.

    Examples
    --------
    The model looks at the left half, whose mean is its probability:

    >>> import limelens as ll
    >>> images = np.random.default_rng(0).uniform(0.2, 0.8, (12, 4, 6))
    >>> left = lambda batch: batch[:, :, :3].mean(axis=(1, 2))
    >>> settings = {"segmenter": ll.Grid(2), "fill": ll.Constant(0.1), "grid": (1, 2)}
    >>> found = ll.audit(images, left, target=0, **settings)
    >>> print(found)  # doctest: +ELLIPSIS
    class 0: 12 images, 49 calls of the model
      ...
      The region at the left raises log-odds by 2.33 ± 0.14, in 100 % [76, 100] of images; ...
    >>> [found.names[k] for k in found.ranking("left")[:2]]
    ['image-000010', 'image-000003']
    """

    def effect(self, name: str) -> Effect:
        """Return the effect of a name.

        Raises
        ------
        InvalidInputError
            If there is none.
        """
        return self.effects[self._row(name, "name")]

    def heatmap(self, shape: tuple[int, int] | None = None) -> Floats:
        """Return the mean map on the common grid, or enlarged to a shape.

        Parameters
        ----------
        shape : (int, int), optional
            Height and width.

        Returns
        -------
        heatmap : ndarray, shape (rows, columns) or `shape`
        """
        if shape is None:
            return self.grid_effects.copy()
        height, width = (check_int("shape", side, minimum=1) for side in shape)
        return enlarged_map(self, (height, width))

    def ranking(self, on: str | None = None) -> NDArray[np.intp]:
        """Return the images in the order of their own effect: those that depend on it most first.

        If the mean effect is negative, the most negative come first.

        Parameters
        ----------
        on : str, optional
            Name of an effect; None takes the clearest one.

        Returns
        -------
        order : ndarray of int, shape (n,)
            Positions in `names`.
        """
        return order_of(self, self._row(on))

    def contact_sheet(self, n: int = 6, *, on: str | None = None) -> "Picture":
        """Return the images that depend most and least on an effect, side by side.

        Parameters
        ----------
        n : int, optional
            How many of each.
        on : str, optional
            Name of an effect; None takes the clearest one.

        Returns
        -------
        picture : PIL.Image.Image
        """
        return draw_contact_sheet(self, self._row(on), check_int("n", n, minimum=1))

    def to_image(self) -> "Picture":
        """Return the mean picture, the mean map over it, and the places that were found."""
        return draw_audit(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as plain numbers, strings and lists, as for JSON.

        What is not known is None.
        """
        words = ("target_name", "quantity", "level", "n_predictions")
        return {
            **{name: getattr(self, name) for name in words},
            "effects": [
                {name: _plain(value) for name, value in asdict(effect).items()}
                for effect in self.effects
            ],
            "names": list(self.names),
            "failures": [asdict(failure) for failure in self.failures],
            **{name: _plain(getattr(self, name).tolist()) for name in _ARRAYS},
        }

    def __str__(self) -> str:
        return audit_text(self)

    def __repr__(self) -> str:
        return (
            f"<Audit of {self.target_name}: {len(self.names)} images, {self.n_predictions} calls, "
            f"{len(self.found)} effects found>"
        )

    def _repr_html_(self) -> str:
        return audit_html(self)

    def _row(self, name: str | None, argument: str = "on") -> int:
        if name is None:
            return clearest(self.effects)
        rows = [k for k, effect in enumerate(self.effects) if effect.name == name]
        if rows:
            return rows[0]
        listed = ", ".join(repr(effect.name) for effect in self.effects)
        raise InvalidInputError(f"`{argument}` must be one of {listed}; got {describe(name)}.")


def _plain(value: Any) -> Any:
    """Return nested lists with None for numbers that are not known."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
