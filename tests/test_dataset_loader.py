"""Batches: every image once, whatever the threads; augmentation within its limits."""

import numpy as np
import pytest
import torch
from torchvision.transforms import Normalize

from small_run import params
from thorax.dataset import augment
from thorax.dataset.loader import Batches, epoch_order, normalization, split_batches

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 24, 24)).astype(np.uint8)


def batches(images=IMAGES, channels=1, mean=0.0, std=1.0):
    figures = ([mean] * channels, [std] * channels)
    return Batches(images, *figures, torch.device("cpu"), channels_last=False)


def amounts(**changes):
    still = dict.fromkeys(
        ["shift", "zoom", "rotation", "shear", "brightness", "contrast", "flip"], 0.0
    )
    return params(augment=still | changes).augment


def stream(rows, settings=None, images=IMAGES, seed=0, epoch=0, batch_size=8):
    parts = batches(images).stream(split_batches(rows, batch_size), settings, seed, epoch)
    return torch.cat([part.x_BCHW for part in parts])


def test_pixels_are_normalized_exactly():
    x = torch.cat([b.x_BCHW for b in batches(mean=0.4, std=0.2).stream([np.arange(40)])]).numpy()
    np.testing.assert_allclose(x[:, 0], (IMAGES / 255 - 0.4) / 0.2, atol=1e-5)


def test_three_channels_repeat_the_gray_image():
    (batch,) = batches(channels=3).stream([np.arange(4)])
    assert batch.x_BCHW.shape == (4, 3, 24, 24)
    assert torch.equal(batch.x_BCHW[:, 0], batch.x_BCHW[:, 2])


def test_train_measures_mean_and_standard_deviation_of_the_training_images():
    rows = np.arange(5, 30)
    mean, std = normalization(params().model, IMAGES, rows)
    assert mean == [pytest.approx((IMAGES[rows] / 255).mean(), abs=1e-5)]
    assert std == [pytest.approx((IMAGES[rows] / 255).std(), abs=1e-5)]


def normalized(name, channels):
    figures = normalization(
        params(model={"normalization": name, "channels": channels}).model, *NONE
    )
    (batch,) = Batches(IMAGES, *figures, torch.device("cpu"), channels_last=True).stream(
        [np.arange(4)]
    )
    return batch.x_BCHW.numpy()


NONE = (IMAGES, np.arange(0))


def test_imagenet_normalizes_as_torchvision_does():
    expected = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(
        torch.tensor(IMAGES[:4] / 255, dtype=torch.float32)[:, None].repeat(1, 3, 1, 1)
    )
    np.testing.assert_allclose(normalized("imagenet", 3), expected, atol=2e-5)
    np.testing.assert_allclose(normalized("imagenet", 1)[:, 0], (IMAGES[:4] / 255 - 0.449) / 0.226,
                               atol=2e-5)  # fmt: skip


def test_caffe_subtracts_means_in_the_order_blue_green_red_and_divides_by_nothing():
    x = normalized("caffe", 3)
    for channel, mean in enumerate((103.939, 116.779, 123.68)):
        np.testing.assert_allclose(x[:, channel], IMAGES[:4] - mean, atol=0.05)


def test_unit_leaves_values_between_0_and_1():
    np.testing.assert_allclose(normalized("unit", 1)[:, 0], IMAGES[:4] / 255, atol=1e-6)


def test_no_augmentation_is_the_identity():
    plain, still = stream(np.arange(40)), stream(np.arange(40), amounts())
    assert torch.equal(plain, still)


def test_an_image_is_changed_the_same_way_in_any_order_and_batch():
    settings = params().augment
    forward = stream(np.arange(40), settings, epoch=3)
    backward = stream(np.arange(40)[::-1].copy(), settings, epoch=3, batch_size=3)
    assert torch.equal(forward, backward.flip(0))


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_changes_it_otherwise(other):
    settings = params().augment
    assert not torch.equal(
        stream(np.arange(40), settings), stream(np.arange(40), settings, **other)
    )


def center_of(x):
    grid = torch.arange(x.shape[-1], dtype=torch.float32)
    total = x.sum(dim=(1, 2, 3))
    return (x[:, 0].sum(1) @ grid / total).numpy(), (x[:, 0].sum(2) @ grid / total).numpy()


def dots(x, y):
    images = np.zeros((200, 65, 65), np.uint8)
    images[:, y - 1 : y + 2, x - 1 : x + 2] = 255
    return images


def test_shift_stays_within_its_fraction_and_uses_it():
    x, y = center_of(stream(np.arange(200), amounts(shift=0.1), dots(32, 32)))
    for moved in (x - 32, y - 32):
        assert 5.5 < np.abs(moved).max() <= 6.6
        assert abs(moved.mean()) < 1


def test_rotation_turns_about_the_center_within_its_angle():
    x, y = center_of(stream(np.arange(200), amounts(rotation=20.0), dots(52, 32)))
    angle = np.rad2deg(np.arctan2(y - 32, x - 32))
    assert 18 < np.abs(angle).max() <= 20.3
    np.testing.assert_allclose(np.hypot(x - 32, y - 32), 20, atol=0.3)


def test_zoom_scales_about_the_center():
    x, y = center_of(stream(np.arange(200), amounts(zoom=0.2), dots(52, 32)))
    assert (x.min() - 32, x.max() - 32) == (pytest.approx(16, abs=0.5), pytest.approx(24, abs=0.5))
    np.testing.assert_allclose(y, 32, atol=0.1)


def test_nothing_is_mirrored_unless_asked():
    settings = {"shift": 0.05, "zoom": 0.1, "rotation": 7.0, "shear": 5.0}
    x, _ = center_of(stream(np.arange(200), amounts(**settings), dots(52, 32)))
    assert (x > 40).all()
    x, _ = center_of(stream(np.arange(200), amounts(flip=0.5), dots(52, 32)))
    assert 0.35 < (x < 32).mean() < 0.65


def test_brightness_and_contrast_follow_their_definitions():
    images = np.full((200, 8, 8), 100, np.uint8)
    images[:, :4] = 140
    x = stream(np.arange(200), amounts(brightness=0.2), images).numpy()
    factor = x[:, 0, 0, 0] / (140 / 255)
    assert (factor.min(), factor.max()) == (
        pytest.approx(0.8, abs=0.01),
        pytest.approx(1.2, abs=0.01),
    )
    x = stream(np.arange(200), amounts(contrast=0.2), images).numpy()
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 120 / 255, atol=1e-3)
    ratio = (x[:, 0, 0, 0] - x[:, 0, -1, 0]) / (40 / 255)
    assert (ratio.min(), ratio.max()) == (
        pytest.approx(0.8, abs=0.02),
        pytest.approx(1.2, abs=0.02),
    )


def test_intensities_stay_in_range():
    x = stream(np.arange(40), amounts(brightness=0.9, contrast=0.9))
    assert x.min() >= 0
    assert x.max() <= 1


def test_batches_cover_all_rows_and_differ_by_one_at_most():
    parts = split_batches(np.arange(103), 16)
    assert sorted(np.concatenate(parts)) == list(range(103))
    assert {len(part) for part in parts} <= {14, 15}


def test_the_order_is_a_permutation_that_changes_with_the_epoch():
    rows = np.arange(50, 90)
    first, again, next_epoch = (epoch_order(rows, 0, e) for e in (0, 0, 1))
    assert sorted(first) == sorted(rows)
    assert (first == again).all()
    assert (first != next_epoch).any()


def test_random_numbers_of_an_image_do_not_depend_on_how_many_images_follow():
    few, many = (augment.random_numbers(0, 0, n) for n in (10, 50))
    np.testing.assert_array_equal(few, many[:10])
