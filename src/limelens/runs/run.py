"""A finished run: its explanations one by one, its failures, what they say together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from limelens._checks.values import describe
from limelens.errors import InvalidInputError
from limelens.galleries.report import report
from limelens.results.explanation import Explanation
from limelens.runs.entries import Entry, Failure, first_of
from limelens.runs.folder import read_manifest

_SHOWN = 10


def _kind(failure: Failure) -> str:
    return failure.error.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did, in numbers.

    Attributes
    ----------
    n_explained, n_failed : int
        Images with and without an explanation.
    n_predictions : int
        Images that the model was shown for the explanations.
    targets : dict from str to int
        Images by the name of their first target, the most frequent first.
    reliability : float or None
        Median over the images of the first target's predicted correlation, where it is known.
    errors : dict from str to int
        Failed images by the kind of their error, the most frequent first.
    first_failures : tuple of Failure
        The first of each kind, in the same order.
    """

    n_explained: int
    n_failed: int
    n_predictions: int
    targets: dict[str, int]
    reliability: float | None
    errors: dict[str, int]
    first_failures: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.n_explained} images explained; the model scored {self.n_predictions}"]
        shown = list(self.targets.items())[:_SHOWN]
        lines += [f"  {name}: {count}" for name, count in shown]
        if len(shown) < len(self.targets):
            lines.append(f"  and {len(self.targets) - len(shown)} more targets")
        if self.reliability is not None:
            lines.append(f"median reliability {self.reliability:.2f}")
        if self.n_failed:
            kinds = ", ".join(f"{name} {count}" for name, count in self.errors.items())
            lines.append(f"{self.n_failed} failed: {kinds}")
            lines += [f"  {each.name}: {each.error}" for each in self.first_failures]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The explanations of many images, kept in a folder.

    `explain_many` returns it, and `Run.load` finds it again. Explanations are read from their
    files when their turn comes, so that memory holds one at a time.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are.
    entries : tuple of Entry
        One for each explained image, in the order of the images: its name, file, digest, targets,
        scores, reliability and number of predictions.
    failures : tuple of Failure
        One for each other image: its name, what was raised, the traceback.

    Examples
    --------
    >>> import tempfile
    >>> import limelens as ll
    >>> images = {"dark": np.zeros((4, 4)), "bright": np.eye(4)}
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0.5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ll.explain_many(explainer, images, lambda b: b.mean(axis=(1, 2)), output=folder)
    ...     print(len(run), run.names, [each.scores.round(2).tolist() for each in run])
    2 ('dark', 'bright') [[0.0], [0.25]]
    """

    folder: Path
    entries: tuple[Entry, ...]
    failures: tuple[Failure, ...] = ()

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> "Run":
        """Return the run of a folder, finished or not.

        Raises
        ------
        InvalidInputError
            If the folder holds no run.
        """
        if not isinstance(folder, (str, PathLike)):
            raise InvalidInputError(
                f"`folder` must be the path of a run's folder; got {describe(folder)}."
            )
        path = Path(folder)
        _, lines = read_manifest(path)
        entries = tuple(line for line in lines if isinstance(line, Entry))
        return cls(path, entries, tuple(line for line in lines if isinstance(line, Failure)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the explained images, in their order."""
        return tuple(entry.name for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Explanation]:
        return (self._open(entry) for entry in self.entries)

    def __getitem__(self, key: str | int) -> Explanation:
        """Return one explanation, by the image's name or number.

        Raises
        ------
        InvalidInputError
            If no explained image has this name, or it is neither name nor number.
        IndexError
            If there are fewer.
        """
        if isinstance(key, str):
            found = [entry for entry in self.entries if entry.name == key]
            if not found:
                failed = [each for each in self.failures if each.name == key]
                why = f"it failed: {failed[0].error}" if failed else f"there are {self.names[:5]}"
                raise InvalidInputError(
                    f"`key` must name an explained image; {key!r} is none: {why}."
                )
            return self._open(found[0])
        if not isinstance(key, (int, np.integer)):
            raise InvalidInputError(
                f"`key` must be the name or the number of one image; got {describe(key)}. Several: "
                "[run[name] for name in run.names[:5]]."
            )
        return self._open(self.entries[key])

    def summary(self) -> RunSummary:
        """Return counts and medians over all images; no file is opened."""
        known = [each.reliability[0] for each in self.entries if each.reliability]
        known = [each for each in known if np.isfinite(each)]
        targets = Counter(entry.targets[0] for entry in self.entries)
        errors = Counter(_kind(each) for each in self.failures).most_common()
        firsts = {_kind(each): each for each in reversed(self.failures)}
        return RunSummary(
            n_explained=len(self.entries),
            n_failed=len(self.failures),
            n_predictions=sum(entry.n_predictions for entry in self.entries),
            targets=dict(targets.most_common()),
            reliability=float(np.median(known)) if known else None,
            errors=dict(errors),
            first_failures=tuple(firsts[kind] for kind, _ in errors),
        )

    def report(
        self,
        path: str | PathLike[str] | None = None,
        *,
        truth: Mapping[str, int | str] | Sequence[int | str] | None = None,
        title: str = "",
        max_side: int = 320,
        theme: str = "auto",
    ) -> Path:
        """Write a gallery of the explained images as one page; see `limelens.report`.

        Parameters
        ----------
        path : path, optional
            The file that is written; None is "report.html" in the run's folder.
        truth : mapping from name to int or str, or sequence, optional
            True class of each explained image.
        title, max_side, theme
            As in `limelens.report`.

        Returns
        -------
        path : pathlib.Path
        """
        if self.failures and not self.entries:
            raise InvalidInputError(
                "`folder` must hold an explained image to report; "
                f"{len(self.failures)} failed, {first_of(self.failures)}."
            )
        if isinstance(truth, Mapping):
            missing = [name for name in self.names if name not in truth]
            if missing:
                raise InvalidInputError(
                    f"`truth` must have an entry for every image; {missing[0]!r} has none."
                )
            truth = [truth[name] for name in self.names]
        return report(
            self,
            self.folder / "report.html" if path is None else path,
            truth=truth,
            names=self.names,
            title=title,
            max_side=max_side,
            theme=theme,
        )

    def _open(self, entry: Entry) -> Explanation:
        """Return the explanation of an entry.

        Raises
        ------
        InvalidInputError
            If its file is gone or damaged.
        """
        try:
            return Explanation.load(self.folder / entry.file)
        except (OSError, InvalidInputError) as error:
            what = "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            raise InvalidInputError(
                f"`folder` must hold a file of every explained image; that of {entry.name!r}, "
                f"{str(self.folder / entry.file)!r}, {what.rstrip('.')}. The same explain_many "
                "call explains this image again."
            ) from error

    def __repr__(self) -> str:
        words = f"{len(self.entries)} images explained, {len(self.failures)} failed"
        return f"<Run: {words}, in {str(self.folder)!r}>"
