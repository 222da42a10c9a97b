"""Hippocampus in MR, anterior and posterior: prepare, train, predict the test part, evaluate, tables.

    python pipelines/hippocampus.py DATASET [OUT] [key=value ...]

DATASET holds `images/` and `labels/` of the Medical Segmentation Decathlon, task 4. The same command again goes on
with a run that was killed.
"""

import sys
from pathlib import Path

import medseg

CONFIG = Path(__file__).parent.parent / "configs" / "hippocampus.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Prepare: what is in the data set, and who is the patient of which case.
        studies = medseg.open_dataset(dataset)
        reporter.say(f"{len(studies.labelled)} labelled cases, layout {studies.layout}")

        # Train: 15 minutes unless overridden; a fifth of the patients is kept apart.
        trained = medseg.train(CONFIG, *overrides, dataset=dataset, out=out, reporter=reporter)

        # Predict the patients that training never saw, each on its own grid.
        # A network that the config names as `package.module:factory` is code, trusted as the config is.
        predictions = medseg.predict(
            trained.folder, dataset, out / "test", part="test", trusted=True, reporter=reporter
        )

        # Evaluate on the native grid, and keep the tables.
        scores = medseg.evaluate(predictions.folder, dataset, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    volumes = predictions.regions.groupby("label")["volume_ml"].describe()
    print(scores.summary.to_string(index=False))
    print(f"Volumes (ml):\n{volumes.to_string()}")
    print(f"Regions: {predictions.folder / 'regions.csv'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/hippocampus"), [w for w in words if "=" in w])
