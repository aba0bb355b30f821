import numpy as np
import pytest

import limelens as ll
from limelens.engine.model import Model, as_model
from limelens.errors import InvalidInputError


def mean(batch):
    return batch.mean(axis=(1, 2))


def test_a_plain_callable_offers_its_attributes():
    def predict(batch):
        return mean(batch)

    predict.gradient, predict.class_names = np.cos, ["bright"]
    model = as_model(predict)
    assert (model.gradient, model.class_names, model.features) == (np.cos, ["bright"], None)
    assert as_model(model) is model


@pytest.mark.parametrize("name", ["prepare", "predict_prepared"])
def test_half_a_preparation_is_no_offer_of_a_callable_and_an_error_of_a_model(name):
    def predict(batch):
        return mean(batch)

    setattr(predict, name, np.abs)
    assert getattr(as_model(predict), name) is None
    with pytest.raises(InvalidInputError, match="must be given together"):
        Model(mean, **{name: np.abs})


@pytest.mark.parametrize("name", ["prepare", "gradient", "features"])
def test_what_cannot_be_called_is_named(name):
    with pytest.raises(InvalidInputError, match=f"`{name}` must be a callable"):
        Model(mean, **{name: 3})


def test_a_gradient_is_added_to_all_that_the_model_offers():
    model = Model(mean, prepare=np.abs, predict_prepared=mean, class_names=["bright"])
    both = ll.with_gradient(ll.with_gradient(model, np.cos), features_fn=np.sin)
    assert (both.gradient, both.features) == (np.cos, np.sin)
    assert (both.prepare, both.predict_prepared) == (np.abs, mean)
    assert both.class_names == ["bright"]


def test_class_names_of_the_model_are_used_where_none_are_given():
    image = np.arange(8.0).reshape(2, 4)
    model = Model(lambda batch: np.stack([mean(batch), -mean(batch)], axis=1))
    model = Model(model.predict_fn, class_names=["bright", "dark"])
    explainer = ll.Ablation(segmenter=ll.Grid(cell=1), fill=ll.Constant(0))
    assert explainer.explain(image, model).target_names == ("bright",)
    named = explainer.explain(image, model, class_names=["hell", "dunkel"])
    assert named.target_names == ("hell",)
