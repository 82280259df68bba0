"""A classifier as one ONNX file, with what its numbers mean in the metadata."""

import logging
import warnings
from pathlib import Path

import torch
from torch.export import Dim

from thorax.artifacts.model import Exported
from thorax.bundle.graph import Classifier, Outputs
from thorax.io import replacing

OPSET = 20  # onnxruntime 1.17 and onnxruntime-web read it
TRACED = (37, 41)  # pixels of the image that the graph is traced with: any that differ


def write_onnx(classifier: Classifier, about: Exported, path: Path) -> None:
    """Trace the classifier on images of any size and write it.

    Args:
        classifier: in evaluation mode.
        about: kept in the metadata, whole under `thorax`, and in parts for readers without thorax.
        path: replaced once complete.
    """
    size = about.preprocess.image_size
    height, width = (size, size) if about.prepared else TRACED
    image = torch.zeros((height, width), dtype=torch.uint8)
    sizes = None if about.prepared else {"image": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}}
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            classifier, (image,),
            dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=["image"], output_names=list(Outputs._fields), dynamic_shapes=sizes,
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props.update(
        {
            "thorax": about.model_dump_json(),
            "classes": ", ".join(about.outputs),
            "use": about.use,
            "input": f"image [height, width]: {about.gray}",
        }
    )
    with replacing(path) as temporary:
        program.save(temporary, external_data=False)
