"""The line of processes of a batch: one reads, one computes, one measures and writes."""
