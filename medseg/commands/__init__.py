"""What the `medseg` command can do, by topic; `medseg.cli` puts it together."""
