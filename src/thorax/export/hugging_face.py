"""The layout of a model on Hugging Face: `README.md`, `config.json`, `model.safetensors`."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file

from thorax.artifacts.model import Exported, ModelFile
from thorax.io import replacing, write_json, write_text
from thorax.models.build import head_path
from thorax.models.inference import DESCRIPTION, WEIGHTS

CARD, CONFIG = "README.md", "config.json"


def write_hugging_face(models: list[Path], about: Exported, model_card: Path, to: Path) -> None:
    """Write the weights of every fold, their settings, and the model card with its front matter.

    Args:
        models: a folder each; the first fold's weights are `model.safetensors`, the others'
            `model-1.safetensors` and so on.
        about: what was exported.
        model_card: as the report stage writes it.
        to: the folder.
    """
    for number, folder in enumerate(models):
        model = ModelFile.read(folder / DESCRIPTION)
        name = f"model-{number}.safetensors" if number else "model.safetensors"
        with replacing(to / name) as temporary:
            save_file(published(load_file(folder / WEIGHTS), model), temporary, {"format": "pt"})
    first = ModelFile.read(models[0] / DESCRIPTION)
    labels = dict(enumerate(about.outputs))
    config = first.model_dump(mode="json", exclude={"training"})
    write_json(to / CONFIG, {"id2label": labels, "thorax": config})
    matter = {
        "library_name": "thorax",
        "pipeline_tag": "image-classification",
        "tags": ["chest-x-ray", "radiology", first.model.name],
        "thorax_version": about.version,
        "not_a_medical_device": True,
    }
    front = yaml.safe_dump(matter, sort_keys=False)
    write_text(to / CARD, f"---\n{front}---\n\n{model_card.read_text(encoding='utf-8')}")


def published(weights: dict[str, torch.Tensor], model: ModelFile) -> dict[str, torch.Tensor]:
    """Weights under the names and in the shapes of the architecture as its library builds it.

    A first convolution for one gray channel is divided among three, which see the same gray then;
    a head that is one linear layer loses the place of the dropout before it.
    """
    if model.model.name.startswith("cnn"):
        return weights
    head = head_path(model.model)
    if not model.model.hidden_units:
        weights = {name.replace(f"{head}.1.", f"{head}."): each for name, each in weights.items()}
    if model.model.channels == 1:
        first = next(name for name, each in weights.items() if each.ndim == 4)
        weights[first] = (weights[first] / 3).repeat(1, 3, 1, 1)
    return weights
