"""Every architecture: one channel and three, its head, freezing, weights files."""

from typing import get_args
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from small_run import params
from thorax.config import ModelName
from thorax.errors import ConfigError, IntegrityError, ResourceError
from thorax.models.build import build, head_path, head_weights, keep_frozen_in_eval, set_trainable
from thorax.models.pretrained import _url

SLOW = {
    "resnet50", "resnet152", "vgg16", "mobilenet_v2",
    *(f"efficientnet-b{i}" for i in range(1, 8)),
}  # fmt: skip
QUICK = [name for name in get_args(ModelName) if name not in SLOW]
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in get_args(ModelName)
]


def model(name, **changes):
    return params(model={"name": name, **changes}).model


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_maps_images_to_logits(name, channels):
    network = build(model(name, channels=channels), 5, 64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, channels, 64, 64)).shape == (2, 5)


@pytest.mark.parametrize("name", QUICK)
def test_one_channel_computes_the_same_as_gray_repeated(name, tmp_path):
    torch.manual_seed(0)
    three = build(model(name, channels=3), 2, 64).eval()
    save_file(three.state_dict(), tmp_path / "w.safetensors")
    one = build(model(name, channels=1, weights=str(tmp_path / "w.safetensors")), 2, 64).eval()
    x = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(one(x), three(x.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("hidden_units", [0, 16])
@pytest.mark.parametrize("name", NAMES)
def test_no_dropout_but_the_one_of_the_settings_is_on(name, hidden_units):
    settings = model(name, dropout=0.625, hidden_units=hidden_units)
    network = build(settings, 2, 64)
    head = network.get_submodule(head_path(settings))
    rates = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
    kinds = [nn.Linear, nn.ReLU] * (hidden_units > 0) + [nn.Dropout, nn.Linear]
    assert [type(layer) for layer in head] == kinds
    assert head[-2].p == 0.625
    # The published dense layers of two architectures have dropout of their own further inside.
    inside = {"cnn-five-block": [0.625] * 2, "vgg16": [0.5] * (not hidden_units)}.get(name, [])
    assert sorted(rate for rate in rates if rate) == sorted([*inside, 0.625])


def trainable(network):
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def test_a_frozen_resnet50_trains_its_head_of_4098_weights():
    network = build(model("resnet50", channels=3), 2, 64)
    assert trainable(network) == 23_512_130
    set_trainable(network, model("resnet50"), "head")
    assert trainable(network) == 4_098
    set_trainable(network, model("resnet50"), "all")
    assert trainable(network) == 23_512_130


def test_the_last_layers_with_weights_are_counted_from_the_end():
    network = build(model("cnn5"), 2, 64)
    set_trainable(network, model("cnn5"), "last:3")
    named = [name for name, p in network.named_parameters() if p.requires_grad]
    assert named == [
        "features.4.0.weight", "features.4.1.weight", "features.4.1.bias",
        "head.1.weight", "head.1.bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("vgg16", 512),
        ("resnet50", 2048),
        ("densenet121", 1024),
        ("mobilenet_v2", 1280),
        ("cnn5", 256),
    ],
)
def test_a_dense_head_follows_the_global_average(name, features):
    settings = model(name, channels=3, hidden_units=1024, dropout=0.7)
    network = build(settings, 3, 64)
    head = network.get_submodule(head_path(settings))
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert head[0].weight.shape == (1024, features)
    assert head[-1].weight.shape == (3, 1024)
    assert [weight.shape for weight in head_weights(network, settings)] == [
        (1024, features), (3, 1024),
    ]  # fmt: skip
    set_trainable(network, settings, "head")
    assert trainable(network) == 1024 * features + 1024 + 3 * 1024 + 3
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def count(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


def test_the_five_block_network_is_the_published_one():
    network = build(model("cnn-five-block", dropout=0.2), 1, 150)
    assert [count(network, k) for k in (nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d)] == [5, 5, 5]
    assert count(network, nn.Linear) == 4  # the last one is the output
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2] * 3


def test_the_baseline_and_the_deep_network_are_the_published_ones():
    baseline = build(model("cnn-baseline"), 1, 64)
    widths = [m.out_channels for m in baseline.modules() if isinstance(m, nn.Conv2d)]
    dense = [m.out_features for m in baseline.modules() if isinstance(m, nn.Linear)]
    assert (widths, dense) == ([32], [128, 1])
    deep = build(model("cnn-deep"), 1, 64)
    widths = [m.out_channels for m in deep.modules() if isinstance(m, nn.Conv2d)]
    dense = [m.out_features for m in deep.modules() if isinstance(m, nn.Linear)]
    assert (widths, dense) == ([32, 64, 128, 256, 512], [2048, 1])


@pytest.mark.parametrize("batch_norm", ["eval", "train"])
def test_frozen_batch_normalization_keeps_its_statistics(batch_norm):
    network = build(model("cnn5"), 2, 64)
    set_trainable(network, model("cnn5"), "head")
    network.train()
    keep_frozen_in_eval(network, batch_norm)
    before = network.features[0][1].running_mean.clone()
    network(torch.rand(4, 1, 64, 64))
    kept = torch.equal(network.features[0][1].running_mean, before)
    assert kept == (batch_norm == "eval")


@pytest.mark.parametrize(
    ("name", "dropout", "same"), [("efficientnet-b0", 0.0, True), ("cnn5", 0.5, False)]
)
def test_a_frozen_backbone_drops_nothing_and_what_is_trained_does(name, dropout, same):
    """EfficientNet drops whole blocks at random in training: two passes would differ."""
    network = build(model(name, dropout=dropout), 2, 64)
    set_trainable(network, model(name), "head")
    network.train()
    keep_frozen_in_eval(network, "eval")
    x = torch.rand(4, 1, 64, 64)
    assert torch.equal(network(x), network(x)) == same


def test_the_first_published_weights_can_be_named():
    """`pretrained=True` of older code; since then torchvision's default is another file."""
    first, best = (_url("resnet50", weights) for weights in ("imagenet-v1", "imagenet"))
    assert first.endswith("resnet50-0676ba61.pth")
    assert best.endswith("resnet50-11ad3fa6.pth")


def test_a_head_of_another_width_is_left_out(tmp_path):
    other = build(model("cnn5"), 7, 64)
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    network = build(model("cnn5", weights=str(tmp_path / "w.safetensors")), 2, 64)
    assert torch.equal(network.features[0][0].weight, other.features[0][0].weight)


def test_weights_that_do_not_fit_are_listed(tmp_path):
    save_file(build(model("resnet18"), 2, 64).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(IntegrityError, match=r"features\.0\.0\.weight: \[16, 1, 3, 3\] needed"):
        build(model("cnn5", weights=str(tmp_path / "w.safetensors")), 2, 64)


def test_weights_that_are_missing_or_no_weights_are_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        build(model("cnn5", weights=str(tmp_path / "none.pth")), 2, 64)
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(IntegrityError, match="no weights file"):
        build(model("cnn5", weights=str(tmp_path / "text.safetensors")), 2, 64)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet-b0"])
def test_unreachable_imagenet_weights_say_what_to_put_where(name, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(ResourceError, match=r"(?s)Download http.*\.pth.*checkpoints"):
        build(model(name, weights="imagenet"), 2, 64)


def test_a_wrong_imagenet_file_is_named_with_both_checksums(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"half a file")
    with pytest.raises(IntegrityError, match=r"f37072fd… expected, [0-9a-f]{8}… found"):
        build(model("resnet18", weights="imagenet"), 2, 64)


def test_networks_of_our_own_have_no_imagenet_weights():
    with pytest.raises(ConfigError, match="no ImageNet weights for cnn-deep"):
        build(model("cnn-deep", weights="imagenet"), 2, 64)
