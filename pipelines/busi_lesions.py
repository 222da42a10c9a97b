"""Lesions in breast ultrasound: train, predict the images kept apart, evaluate, tables.

    python pipelines/busi_lesions.py DATASET [OUT] [key=value ...]

DATASET is BUSI as published, in folders of its classes, or with `images/` and `masks/` of its file names. Normal images
take part: a lesion that is found in one is a false one. The same command again goes on with a run that was killed.
"""

import sys
from pathlib import Path

import medseg

CONFIG = Path(__file__).parent.parent / "configs" / "busi_lesions.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Train: 20 minutes unless overridden. Several masks of an image are parts of one.
        trained = medseg.train(CONFIG, *overrides, dataset=dataset, out=out, reporter=reporter)
        reporter.say(f"{len(trained.split.test)} images kept apart")

        # Predict the images that training never saw, at full resolution.
        # A network that the config names as `package.module:factory` is code, trusted as the config is.
        predictions = medseg.predict(
            trained.folder, dataset, out / "test", part="test", trusted=True, reporter=reporter
        )

        # Evaluate on the original pixels.
        scores = medseg.evaluate(predictions.folder, dataset, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    print(scores.summary.to_string(index=False))
    # A Dice of normal images is 0 or none: what counts there is whether anything was found.
    normal = scores.cases[scores.cases["reference_voxels"] == 0]
    print(f"Normal images with a false lesion: {(normal['predicted_voxels'] > 0).sum()} of {len(normal)}")
    print(f"Regions (areas in pixels, the spacing is unknown): {predictions.folder / 'regions.csv'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/busi_lesions"), [w for w in words if "=" in w])
