"""Soft-tissue sarcomas in PET: list the PET images, train, predict the unseen patients, evaluate, tables.

    python pipelines/sarcoma_pet.py DATASET [OUT] [key=value ...]

DATASET holds a folder a patient with `PET_image.nii.gz` (SUV) and `PET_mask.nii.gz`, perhaps beside CT and MR, each on
a grid of its own. The same command again goes on with a run that was killed.
"""

import sys
from dataclasses import replace
from pathlib import Path

import medseg
from medseg.datasets.manifest_writing import write_manifest

CONFIG = Path(__file__).parent.parent / "configs" / "sarcoma_pet.yaml"


def main(dataset: Path, out: Path, overrides: list[str]) -> None:
    """Run every stage; results go below `out`."""
    with medseg.RichReporter() as reporter:
        # Prepare: of all series, those of PET; a manifest names the files where they lie.
        studies = medseg.open_dataset(dataset, layout="beside")
        listed = [replace(case, id=case.patient) for case in studies.cases if case.columns.get("series") == "PET"]
        manifest = out / "pet.csv"
        write_manifest(manifest, listed)
        reporter.say(f"{len(listed)} of {len(studies.cases)} series are PET")

        # Train: 20 minutes unless overridden; a fifth of the patients is kept apart.
        trained = medseg.train(CONFIG, *overrides, dataset=manifest, out=out, reporter=reporter)

        # Predict the patients that training never saw, each on its own grid.
        # A network that the config names as `package.module:factory` is code, trusted as the config is.
        predictions = medseg.predict(
            trained.folder, manifest, out / "test", part="test", trusted=True, reporter=reporter
        )

        # Evaluate on the native grid, and keep the tables. Borders may be a voxel apart, which is 4 to 5 mm.
        scores = medseg.evaluate(predictions.folder, manifest, nsd_tolerance=5, reporter=reporter)
        scores.save(out / "test" / "evaluation")

    print(scores.summary.to_string(index=False))
    largest = predictions.regions.sort_values("volume_ml").groupby("case").tail(1).sort_values("case")
    uptake = largest[["case", "volume_ml", "mean_ch0", "max_ch0"]]
    print(f"The largest tumour of each patient, mean and maximal uptake (SUV):\n{uptake.to_string(index=False)}")
    print(f"Regions: {predictions.folder / 'regions.csv'}")


if __name__ == "__main__":
    words = sys.argv[1:]
    places = [Path(word) for word in words if "=" not in word]
    if not places:
        sys.exit(__doc__)
    main(places[0], places[1] if len(places) > 1 else Path("runs/sarcoma_pet"), [w for w in words if "=" in w])
