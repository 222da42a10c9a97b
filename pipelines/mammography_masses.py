"""Lesions in mammograms of CDD-CESM: inspect, prepare, train, predict the unseen patients, evaluate, tables.

    python pipelines/mammography_masses.py DATASET [OUT] [key=value ...]

DATASET is CDD-CESM as published, or a derived set that keeps its file names, with images/ and masks/. Film edges and
markers are cleaned away, the breast is cropped and turned to one side; the masks come back onto the original pixels.
The same command again goes on with a run that was killed.
"""

import sys
from pathlib import Path

import medseg

CONFIG = Path(__file__).parent.parent / "configs" / "mammography_masses.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Train: an hour unless overridden. Both views and both breasts of a patient stay in one part of the split.
        trained = medseg.train(CONFIG, *overrides, dataset=dataset, out=out, reporter=reporter)
        reporter.say(f"{len(trained.split.test)} images of unseen patients kept apart")

        # Predict the mammograms of the patients that training never saw, prepared as in training.
        # A network that the config names as `package.module:factory` is code, trusted as the config is.
        predictions = medseg.predict(
            trained.folder, dataset, out / "test", part="test", trusted=True, reporter=reporter
        )

        # Evaluate on the original pixels, against the masks as they lie in the data set.
        scores = medseg.evaluate(predictions.folder, dataset, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    print(scores.summary.to_string(index=False))
    judged = scores.cases.dropna(subset=["dice"]).sort_values("dice")
    for name, rows in (("worst", judged.head(1)), ("best", judged.tail(1))):
        for case, dice in rows[["case", "dice"]].itertuples(index=False):
            print(f"{name}: Dice {dice:.3f}, {predictions.folder / case / 'preview.png'}")
    print(f"Regions (areas in pixels, the spacing is unknown): {predictions.folder / 'regions.csv'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/mammography_masses"), [w for w in words if "=" in w])
