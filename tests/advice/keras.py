"""Advice of the adapter for Keras."""

import warnings

import keras
import numpy as np
from keras import Input, Sequential, layers, ops, utils

import limelens as ll

NEEDS = ("keras", "torch")
ROOMS = ("adapters/keras.py", "adapters/keras_model.py")

image = np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)
utils.set_random_seed(0)
model = Sequential([Input((12, 10, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()])
inputs = Input((12, 10, 3))
nested = keras.Model(inputs, {"a": [model(inputs)]})


class Layer:
    """A layer of Keras 2, by the name of its module."""

    __module__ = "tf_keras.src.engine.base_layer"


def of(model, **how):
    with warnings.catch_warnings():
        # NumPy 2.4 warns of how Keras 3.15 reads its own variables
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return explain(image, model, ll.Ablation(segmenter=ll.Grid(4)), **how)


def slope(preprocess):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return ll.from_keras(model, preprocess=preprocess).gradient(image[None], 0)


CASES = [
    (
        "explain(image, model)",
        {
            "limelens.from_keras(model)": "of(limelens.from_keras(model))",
            "predict_fn=lambda batch: model(batch)": """
model = from_keras(model)
def of(predict_fn):
    return explain(image, predict_fn)
of(predict_fn=lambda batch: model(batch))
""",
        },
    ),
    ("explain(image, Layer())", {"limelens.from_keras(model)": "of(limelens.from_keras(model))"}),
    *[
        (
            f"explain(image, 'net{suffix}')",
            {
                f"limelens.from_keras(keras.saving.load_model('net{suffix}'))": f"""
import warnings
warnings.simplefilter("ignore")
model.save('net{suffix}')
of(limelens.from_keras(keras.saving.load_model('net{suffix}')))
""",
            },
        )
        for suffix in (".keras", ".h5")
    ],
    (
        "from_keras('model.keras')",
        {
            'keras.saving.load_model("model.keras")': """
import warnings
warnings.simplefilter("ignore")
model.save('model.keras')
of(from_keras(keras.saving.load_model("model.keras")))
""",
        },
    ),
    (
        "of(from_keras(nested))",
        {
            "output=lambda outputs: ...": "of(from_keras(nested, output=lambda outputs: outputs['a'][0]))"
        },
    ),
    (
        "slope(lambda images: ops.convert_to_tensor(ops.convert_to_numpy(images)))",
        {"keras.ops": "assert slope(lambda images: keras.ops.sqrt(images + 1)).any()"},
    ),
]
