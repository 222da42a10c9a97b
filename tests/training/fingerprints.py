"""Fingerprints made up for tests of planning."""

import numpy as np

from medseg.training.case_facts import CaseFacts, LabelFacts
from medseg.training.fingerprint import Fingerprint


def fingerprint(shapes, spacings, modality="MR", channels=1, zero_border=0.0, bodies=None, sizes=(50.0, 20.0)):
    """Cases of these shapes and spacings (None: unknown) that show one label, "lesion"."""
    rng = np.random.default_rng(0)
    dark = round(zero_border * len(shapes))
    facts = []
    for number, shape in enumerate(shapes):
        voxels = tuple(float(v) for v in rng.normal(60, 20, 1000))
        facts.append(
            CaseFacts(
                id=f"case{number}",
                channels=channels,
                modality=modality,
                shape=shape,
                body=bodies[number] if bodies else shape,
                spacing_mm=None if spacings is None else spacings[number],
                dark_border=number < dark,
                intensities=(voxels,) * channels,
                labels={"lesion": LabelFacts(judged=True, size=sum(sizes), components=sizes)},
            )
        )
    return Fingerprint(tuple(facts), modality)
