"""Files of volumes, one format a module: NIfTI, Analyze, MGH, NRRD, MetaImage, NumPy, HDF5."""
