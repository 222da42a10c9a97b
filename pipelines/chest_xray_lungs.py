"""Lungs in frontal chest radiographs: prepare, train, predict the unseen patients, evaluate, tables.

    python pipelines/chest_xray_lungs.py DATASET [OUT] [key=value ...]

DATASET holds `images/`, `masks/` (255 lung, 127 ignored) and `cases.csv` with the columns `name` and `patientid`:
several images of a patient stay in one part of the split. The same command again goes on with a run that was killed.
"""

import sys
from pathlib import Path

import medseg

CONFIG = Path(__file__).parent.parent / "configs" / "chest_xray_lungs.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Train: 15 minutes unless overridden. The config names the case table and the value to ignore.
        trained = medseg.train(CONFIG, *overrides, dataset=dataset, out=out, reporter=reporter)
        reporter.say(f"{len(trained.split.test)} images of unseen patients kept apart")

        # Predict the radiographs of the patients that training never saw, at full resolution.
        # A network that the config names as `package.module:factory` is code, trusted as the config is.
        predictions = medseg.predict(
            trained.folder, dataset, out / "test", part="test", trusted=True, reporter=reporter
        )

        # Evaluate; the labels, and the value to ignore, are those recorded with the predictions.
        scores = medseg.evaluate(predictions.folder, dataset, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    ranked = scores.cases.sort_values("dice")
    print(scores.summary.to_string(index=False))
    for name, row in (("worst", ranked.iloc[0]), ("best", ranked.iloc[-1])):
        print(f"{name}: Dice {row['dice']:.3f}, {predictions.folder / row['case'] / 'preview.png'}")
    print(f"Regions (areas in pixels, the spacing is unknown): {predictions.folder / 'regions.csv'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/chest_xray_lungs"), [w for w in words if "=" in w])
