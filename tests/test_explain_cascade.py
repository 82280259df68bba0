"""Cascading randomization: a map is lost with the weights."""

import numpy as np
import torch

from small_run import params
from thorax.explain.cascade import randomize, similarity
from thorax.explain.gradcam import grad_cam
from thorax.models.build import build


class TestRandomize:
    def test_all_layers_change_the_map_and_the_head_alone_leaves_the_features(self):
        torch.manual_seed(1)
        network = build(params(model={"name": "cnn5"}).model, 1, 32)
        x, zeros = torch.rand(6, 1, 32, 32), np.zeros(6, int)

        def maps():
            return grad_cam(network, x, zeros, "features.2")

        trained = maps()
        assert similarity(trained, maps()) == 1.0
        first = network.features[0][0].weight.clone()
        head = {key: value.clone() for key, value in network.head.state_dict().items()}
        randomize(network, 0.0, seed=3)
        assert torch.equal(network.features[0][0].weight, first)
        assert any(not torch.equal(head[k], v) for k, v in network.head.state_dict().items())
        randomize(network, 1.0, seed=3)
        assert not torch.equal(network.features[0][0].weight, first)
        randomized = maps()
        alike = similarity(trained, randomized)
        assert alike is None or alike < 0.9
        randomize(network, 1.0, seed=3)
        np.testing.assert_array_equal(randomized, maps())

    def test_a_map_that_became_flat_has_nothing_in_common_with_the_models_own(self):
        """Left out, the few maps that survive would stand for all."""
        flat, ramp = np.zeros((1, 4, 4), np.float32), np.arange(16, dtype=np.float32)
        ramp = ramp.reshape(1, 4, 4)
        assert similarity(flat, ramp) is None
        assert similarity(ramp, 2 * ramp) == 1
        assert similarity(ramp, -ramp) == -1
        assert similarity(np.concatenate([ramp, ramp]), np.concatenate([ramp, flat])) == 0.5
