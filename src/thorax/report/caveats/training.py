"""What a reader must know of training, its folds and its choices."""

from collections.abc import Iterator

from thorax.report import wording
from thorax.report.components import Caveat
from thorax.report.inputs import Inputs, Run


def folds(inputs: Run) -> Iterator[Caveat]:
    """Folds without a model, or with other settings."""
    folds = [name for name in inputs.split.subsets if name.startswith("fold_")]
    if len(folds) > len(inputs.models):
        yield Caveat(
            "care",
            "Not every fold was trained",
            f"{len(inputs.models)} of {len(folds)} folds have a model; images of the others are in"
            " no validation metric.",
        )
    settings = [model.training.model_dump(exclude={"fold", "history"})
                for model in inputs.models.values()]  # fmt: skip
    if any(other != settings[0] for other in settings):
        yield Caveat(
            "care",
            "Folds were trained with different settings",
            "Their mean and standard deviation mix different experiments. Run dvc repro.",
        )


def single_models(inputs: Inputs) -> Iterator[Caveat]:
    """Thresholds that were not chosen for the ensemble."""
    if not inputs.points.for_ensemble and "test" in inputs.subsets:
        yield Caveat(
            "care",
            "Thresholds of single models",
            "They were chosen out of fold, where one model predicts each image; test is predicted"
            " by the mean of all, which is less extreme, so a target is missed. Set"
            " split.val_fraction above 0.",
        )


def optimism(inputs: Inputs) -> Iterator[Caveat]:
    """Test is worse than validation promised."""
    test, val = (inputs.results.subset(name).metrics["auroc"] for name in ("test", "val"))
    if test.value is not None and val.low is not None and test.value < val.low:
        yield Caveat(
            "care",
            "Worse on test than on validation",
            f"Test AUROC {wording.decimal(test.value)} lies below the interval of validation"
            f" ({wording.interval(val.low, val.high)}). The epoch and the thresholds were chosen on"
            " validation: believe the test set.",
        )


def ended_early(inputs: Inputs) -> Iterator[Caveat]:
    """It may have ended early."""
    late = [str(fold) for fold, model in inputs.models.items() if model.training.history[-1].best]
    if late:
        which = f" (fold {wording.listed(late)})" if len(inputs.models) > 1 else ""
        phase = " in the last phase" if inputs.model.training.train.phases else ""
        yield Caveat(
            "note",
            "Training may have ended early",
            f"The last epoch allowed was the best one{which}: more train.epochs{phase} may do"
            " better.",
        )
