"""Open the data set that the settings of a training name."""

from medseg.datasets import Dataset, open_dataset
from medseg.datasets.settings import DatasetSettings
from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.reporting import Reporter

__all__ = ["opened_dataset"]


def opened_dataset(settings: DatasetSettings, reporter: Reporter) -> tuple[Dataset, Labels]:
    """The data set and its labels; its warnings are told, and which labels have no DICOM codes.

    Raises:
        ConfigError: Nobody says what the values of its masks mean.
        LabelError: A code is none, or of no label.
        DatasetError: It cannot be read.
    """
    dataset = open_dataset(
        settings.dataset,
        layout=settings.layout,
        labels=Labels.from_config(settings.labels) if settings.labels else None,
        table=settings.cases,
    )
    for warning in dataset.warnings:
        reporter.say(f"Warning: {warning}")
    if dataset.labels is None:
        mend = "Add `labels: {name: value}` to the config; `medseg inspect` shows the values found."
        raise ConfigError(settings.dataset, "does not say what its label values mean", mend)
    labels = dataset.labels.with_codes(settings.codes or {})
    if labels.uncoded:
        named = ", ".join(labels.uncoded)
        reporter.say(
            f"No DICOM codes are known of {named}: add them (`codes: {{{labels.uncoded[0]}: liver tumor}}`), or DICOM "
            "SEG and SR of its masks will need --codes"
        )
    return dataset, labels
