"""Gradients of a PyTorch network through our functions equal PyTorch's own arithmetic."""

import numpy as np
import pytest

import limelens as ll

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")


def network():
    """A small convolution network in double precision, with fixed random weights."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(4, 5, 3),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(3),
    ).double()
    layers(torch.zeros(1, 3, 8, 10, dtype=torch.float64))
    return layers.eval()


def as_model(layers):
    def gradient(batch, target):
        x = torch.from_numpy(batch).requires_grad_()
        layers(x)[:, target].sum().backward()
        return x.grad.numpy()

    def features(batch, target):
        activations = layers[:5](torch.from_numpy(batch)).detach().requires_grad_()
        layers[5:](activations)[:, target].sum().backward()
        return activations.detach().numpy(), activations.grad.numpy()

    def predict(batch):
        return layers(torch.from_numpy(batch)).detach().numpy()

    return ll.with_gradient(predict, gradient, features_fn=features)


IMAGE = np.random.default_rng(0).normal(size=(3, 8, 10))


def test_integrated_gradients_equal_an_integral_in_torch():
    layers = network()
    found = ll.IntegratedGradients(method="riemann_middle", n_steps=40).explain(
        IMAGE, as_model(layers), target=[2, 0], channel_axis=0, batch_size=7
    )
    x = torch.from_numpy(IMAGE)
    for row, target in enumerate((2, 0)):
        places = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
        points = (places[:, None, None, None] * x).requires_grad_()
        layers(points)[:, target].sum().backward()
        expected = x * points.grad.mean(dim=0)
        np.testing.assert_allclose(found.details["per_channel"][row], expected, atol=1e-10)
        np.testing.assert_allclose(found.importances[row], expected.sum(dim=0), atol=1e-10)


def test_completeness_holds_for_a_real_network():
    found = ll.IntegratedGradients().explain(
        IMAGE, as_model(network()), target=[0, 1, 2], channel_axis=0
    )
    np.testing.assert_allclose(found.details["completeness_gap"], 0, atol=1e-6)


def test_grad_cam_equals_its_formula_in_torch():
    layers = network()
    found = ll.GradCam().explain(IMAGE, as_model(layers), target=1, channel_axis=0)
    activations = layers[:5](torch.from_numpy(IMAGE)[None]).detach().requires_grad_()
    layers[5:](activations)[0, 1].backward()
    weights = activations.grad[0].mean(dim=(1, 2))
    cells = torch.relu((weights[:, None, None] * activations.detach()[0]).sum(dim=0))
    np.testing.assert_allclose(found.details["cells"][0], cells, atol=1e-12)


def test_a_tensor_on_the_cpu_is_taken_as_scores_with_gradients_or_without():
    layers = network()
    explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))

    def predict(batch):
        return layers(torch.from_numpy(batch))

    attached = explainer.explain(IMAGE, predict, channel_axis=0).importances
    with torch.no_grad():
        np.testing.assert_array_equal(
            explainer.explain(IMAGE, predict, channel_axis=0).importances, attached
        )
