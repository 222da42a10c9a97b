"""Lesions in breast ultrasound without a network: fit classical methods, predict the images kept apart, evaluate.

    python pipelines/busi_classical.py DATASET [OUT] [key=value ...]

DATASET is BUSI as published, in folders of its classes, or with `images/` and `masks/` of its file names. The parts are
those of `pipelines/busi_lesions.py`, so that its network has an honest baseline.
"""

import sys
from pathlib import Path

import medseg

CONFIG = Path(__file__).parent.parent / "configs" / "busi_classical.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Fit: each method's options are searched on the training part, and the best method is kept.
        fitted = medseg.train(CONFIG, *overrides, dataset=dataset, out=out, reporter=reporter)

        # Predict and evaluate the images that no option was chosen by.
        predictions = medseg.predict(fitted.folder, dataset, out / "test", part="test", reporter=reporter)
        scores = medseg.evaluate(predictions.folder, dataset, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    print(scores.summary.to_string(index=False))
    print(f"What was tried: {out / 'fit.csv'}, {out / 'fit.png'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/busi_classical"), [w for w in words if "=" in w])
