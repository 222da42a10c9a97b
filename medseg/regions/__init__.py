"""Connected components of a mask and their measurements."""

from medseg.labels import labels_of
from medseg.regions.cases import case_columns, case_table
from medseg.regions.clinical import Joined, join_clinical
from medseg.regions.components import Region, find_regions
from medseg.regions.diameters import AxialDiameters, Diameter, axial_diameters, longest_diameter
from medseg.regions.families import DEFAULT_FAMILIES, FAMILIES, region_columns
from medseg.regions.intensity import channel_columns
from medseg.regions.json_schema import json_schema, schema_of
from medseg.regions.measured import Family, Measured
from medseg.regions.overlapping import measure_segmentation, segmentation_regions
from medseg.regions.patient_columns import patient_columns
from medseg.regions.patients import patient_table
from medseg.regions.schema import Column
from medseg.regions.table import empty_table, measure_regions

__all__ = [
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "AxialDiameters",
    "Column",
    "Diameter",
    "Family",
    "Joined",
    "Measured",
    "Region",
    "axial_diameters",
    "case_columns",
    "case_table",
    "channel_columns",
    "empty_table",
    "find_regions",
    "join_clinical",
    "json_schema",
    "labels_of",
    "longest_diameter",
    "measure_regions",
    "measure_segmentation",
    "patient_columns",
    "patient_table",
    "region_columns",
    "schema_of",
    "segmentation_regions",
]
