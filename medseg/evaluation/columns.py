"""The columns of the tables of scores: their names, types, and which belong together."""

__all__ = [
    "DISTANCES", "LESION_COLUMNS", "LESION_SCORES", "METRICS", "OVERLAPS", "SCORE_COLUMNS", "SUMMARY_COLUMNS",
]  # fmt: skip

OVERLAPS = (
    "dice", "iou", "precision", "recall", "accuracy", "specificity", "npv", "balanced_accuracy", "f_beta", "mcc",
    "kappa", "relative_volume_difference",
)  # fmt: skip
# By the unit of the grid: a spacing that is unknown is not 1 mm, nor is a tolerance in pixels one in mm.
DISTANCES = {
    "mm": ("hd95_mm", "assd_mm", "nsd", "hd_mm", "masd_mm"),
    "px": ("hd95_px", "assd_px", "nsd_px", "hd_px", "masd_px"),
}
LESION_SCORES = ("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions", "sq", "rq", "pq")
METRICS = (*OVERLAPS, *DISTANCES["mm"], *DISTANCES["px"], *LESION_SCORES)
_SIDES = ("predicted", "reference")
SCORE_COLUMNS = {
    "case": "str",
    "label": "str",
    **dict.fromkeys(METRICS, "float64"),
    "predicted_voxels": "int64",
    "reference_voxels": "int64",
    "judged": "bool",
    "unit": "str",
    **dict.fromkeys([f"{side}_{size}" for size in ("volume_ml", "area_mm2") for side in _SIDES], "float64"),
    **dict.fromkeys(["predicted_lesions", "reference_lesions", "found_lesions", "duplicate_lesions"], "int64"),
    "definition": "str",
    "tolerance": "float64",
}
LESION_COLUMNS = {
    "case": "str",
    "label": "str",
    "side": "str",
    "lesion": "int64",
    "voxels": "int64",
    "volume_ml": "float64",
    "area_mm2": "float64",
    "matched": "bool",
    "duplicate": "bool",
    "partner": "int64",
    "iou": "float64",
    "overlap": "float64",
    "confidence": "float64",
}
SUMMARY_COLUMNS = (
    "label", "metric", "mean", "low", "high", "sd", "median", "min", "max", "n", "patients", "n_empty", "n_one_empty",
    "n_unjudged",
)  # fmt: skip
