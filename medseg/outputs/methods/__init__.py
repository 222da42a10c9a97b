"""The methods section and the checklist of a paper, written from what a run recorded and from nothing else."""
