"""What mammograms, radiographs and MR need before normalisation: one MONAI transform a module, named in a config."""
