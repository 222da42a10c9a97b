"""Archives of a hospital (PACS): found in, fetched from, stored to and received from, by DICOMweb or DIMSE."""
