"""Image models and pipelines of Hugging Face transformers."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limelens._checks.extras import needed
from limelens._checks.values import describe
from limelens._typing import ClassNames
from limelens.adapters.outputs import Output, check_output_choice
from limelens.adapters.pixels import Pixels
from limelens.adapters.torch import check_network, model_of, placed
from limelens.adapters.torch_network import TorchNetwork
from limelens.engine.model import Model
from limelens.errors import InvalidInputError


def from_transformers(
    model: Any,
    processor: Any = None,
    *,
    texts: Sequence[str] | None = None,
    output: "Output | None" = None,
    layer: Any = None,
    device: Any = None,
    dtype: Any = None,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of an image model of Hugging Face, with its labels as names.

    Parameters
    ----------
    model : transformers.PreTrainedModel or transformers.Pipeline
        Takes `pixel_values`. Images have their channels last: uint8, uint16, or floats from 0 to 1.
    processor : transformers image processor or processor
        Processor of the model. It resizes and crops, so the map is in the caller's pixels. A
        pipeline brings its own.
    texts : sequence of str, optional
        Texts for CLIP and similar models. The scores say how well an image fits each text.
    output : str or callable, optional
        "softmax", "sigmoid", "raw" or a callable (what the model returned) -> scores. None does
        what the model's own pipeline does: sigmoid for one label, for images with several labels
        and for SigLIP, else softmax.
    layer : torch.nn.Module or str, optional
        Part of the model for `GradCam`, or its name there. It must return maps (n, maps, H, W).
    device : torch.device or str, optional
        None is the device of the model's parameters.
    dtype : torch.dtype or str, optional
        "half", "bfloat16", "single" or "double". None is the dtype of the parameters.
    class_names : sequence of str or mapping from int to str, optional
        None takes the `texts`, or the labels of the model's configuration.

    Returns
    -------
    Model
        As `from_torch` makes it. `gradient` needs a processor that works on tensors, as those
        made with torchvision do.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, `texts` are missing, or the model takes none.
    ImportError
        If transformers or PyTorch is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import transformers
    >>> config = transformers.ResNetConfig(
    ...     depths=[1], hidden_sizes=[8], embedding_size=8, layer_type="basic", num_labels=2
    ... )
    >>> config.id2label = {0: "cat", 1: "dog"}
    >>> net = transformers.ResNetForImageClassification(config)
    >>> processor = transformers.ViTImageProcessor(size={"height": 16, "width": 16})
    >>> model = from_transformers(net, processor)
    >>> model(np.zeros((3, 20, 30, 3), np.uint8)).shape, model.class_names
    ((3, 2), ('cat', 'dog'))
    """
    needed("transformers", "models of Hugging Face need transformers", "transformers")
    model, processor = _parts(model, processor)
    if "pixel_values" not in inspect.signature(check_network(model).forward).parameters:
        raise InvalidInputError(
            f"`model` must take pixel_values; got {type(model).__name__}, which takes no images."
        )
    network = TorchNetwork(
        net=model,
        pixels=Pixels(),
        preprocess=Processed(processor=getattr(processor, "image_processor", processor)),
        is_raw=True,
        output=_own_output(model, texts) if output is None else check_output_choice(output),
        layer=layer,
        keyword="pixel_values",
    )
    network = placed(network, device, dtype)
    others = _text_inputs(model, processor, texts, network.device)
    names = _names(model, texts) if class_names is None else class_names
    return model_of(replace(network, others=others), names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Processed:
    """An image processor for tensors `(n, C, H, W)` of the caller's pixels."""

    processor: Any

    def __call__(self, images: Any) -> Any:
        """Return the processed images, on their device."""
        name = str(images.dtype).removeprefix("torch.")
        if name != "uint8":
            # The processor divides by 255, or by another number that its model needs.
            images = images * (255 * Pixels().scale_of(np.dtype(name)))
        try:
            made = self._process(images)
        except RuntimeError:
            if not images.requires_grad:
                raise
            made = self._process(images.detach())  # by Pillow; `gradient` then raises an error
        return made.to(images.device)

    def _process(self, images: Any) -> Any:
        made = self.processor(
            images=images, input_data_format="channels_first", return_tensors="pt"
        )
        return made["pixel_values"]


def _parts(model: Any, processor: Any) -> tuple[Any, Any]:
    """Return a model and its processor; a pipeline has both."""
    is_pipeline = hasattr(model, "model") and hasattr(model, "image_processor")
    if is_pipeline:
        if processor is not None:
            raise InvalidInputError(
                "`processor` must be left out for a pipeline, which brings its own."
            )
        both = getattr(model, "processor", None)
        if both is None and getattr(model, "tokenizer", None) is not None:
            both = _Both(image_processor=model.image_processor, tokenizer=model.tokenizer)
        model, processor = model.model, model.image_processor if both is None else both
    if processor is None or not callable(getattr(processor, "image_processor", processor)):
        raise InvalidInputError(
            "`processor` must be the model's own: "
            f"AutoImageProcessor.from_pretrained(...); got {describe(processor)}."
        )
    return model, processor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Both:
    """The two halves of a processor, as a pipeline has them."""

    image_processor: Any
    tokenizer: Any


def _text_inputs(
    model: Any, processor: Any, texts: Sequence[str] | None, device: Any
) -> Mapping[str, Any]:
    """Return the inputs besides images: the texts, if the model compares images with texts."""
    compares = "input_ids" in inspect.signature(model.forward).parameters
    if texts is None:
        if compares:
            raise InvalidInputError(
                f"`texts` must be given for a {type(model).__name__}, which compares images with "
                'texts: from_transformers(model, processor, texts=["a cat", "a dog"]).'
            )
        return {}
    listed = isinstance(texts, Sequence) and not isinstance(texts, str)
    if not listed or not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidInputError(f"`texts` must be a sequence of str; got {describe(texts)}.")
    tokenizer = getattr(processor, "tokenizer", None)
    if not compares or tokenizer is None:
        raise InvalidInputError(
            f"`texts` must be left out for a {type(model).__name__}, which takes none."
            if not compares
            else "`processor` must have a tokenizer for `texts`: pass AutoProcessor's, not "
            f"AutoImageProcessor's; got a {type(processor).__name__}."
        )
    # SigLIP was trained on texts of one length
    padding = "max_length" if "siglip" in str(model.config.model_type) else True
    wanted = inspect.signature(model.forward).parameters
    made = tokenizer(list(texts), padding=padding, return_tensors="pt")
    return {name: value.to(device) for name, value in made.items() if name in wanted}


def _own_output(model: Any, texts: Sequence[str] | None) -> Output:
    """Return the output choice that does what the model's own pipeline does."""
    config = model.config
    if texts is not None:
        return "sigmoid" if "siglip" in str(config.model_type) else "softmax"
    if "Detection" in type(model).__name__ or "Segmentation" in type(model).__name__:
        raise InvalidInputError(
            f"`output` must say what the scores of a {type(model).__name__} are: a callable "
            "(outputs) -> scores, such as output=lambda outputs: outputs.logits.softmax(-1)."
        )
    several = getattr(config, "problem_type", None) == "multi_label_classification"
    return "sigmoid" if several or getattr(config, "num_labels", None) == 1 else "softmax"


def _names(model: Any, texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the texts, or the labels of the configuration in the order of the columns."""
    if texts is not None:
        return tuple(texts)
    if "Classification" not in type(model).__name__:
        return None
    labels = getattr(model.config, "id2label", None) or {}
    names = {int(column): str(name) for column, name in labels.items()}
    in_order = sorted(names) == list(range(len(names)))
    return tuple(names[column] for column in range(len(names))) if names and in_order else None
