"""Files in and out: one module a format, geometry turned to RAS+ here and nowhere else."""
