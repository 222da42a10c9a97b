"""How an image was made and of whom, as far as its header says it."""

from pydicom.dataset import Dataset

from medseg.io.dicom.acquisition import acquisition


def header(**fields: object) -> Dataset:
    ds = Dataset()
    for name, value in fields.items():
        setattr(ds, name, value)
    return ds


def test_what_a_header_says_is_named_with_units_and_the_rest_is_absent() -> None:
    said = acquisition(
        header(
            Modality="CT", Manufacturer="SIEMENS", ManufacturerModelName="Biograph 40", KVP="120.0",
            StudyDate="20200131", PatientAge="018M", PatientSex="F", SliceThickness="1.5",
            ConvolutionKernel=["B30f", "1"], ContrastBolusAgent="Iohexol", SeriesDescription="arterial phase",
        )
    )  # fmt: skip
    assert said == {
        "modality": "CT", "scanner": "SIEMENS Biograph 40", "manufacturer": "SIEMENS", "model": "Biograph 40",
        "kvp": "120", "study_date": "2020-01-31", "patient_age_y": "1.5", "sex": "F", "slice_thickness_mm": "1.5",
        "kernel": "B30f\\1", "contrast_agent": "Iohexol", "series_description": "arterial phase",
    }  # fmt: skip
    assert acquisition(Dataset()) == {}


def test_the_phase_is_what_the_contrast_module_of_an_enhanced_object_says() -> None:
    shared = header(
        ContrastBolusUsageSequence=[header(ContrastBolusAgentPhase="ARTERIAL")],
        CTXRayDetailsSequence=[header(KVP=100.0)],
        PixelMeasuresSequence=[header(SliceThickness="0.75")],
    )
    said = acquisition(header(SharedFunctionalGroupsSequence=[shared]))
    assert said == {"phase": "ARTERIAL", "kvp": "100", "slice_thickness_mm": "0.75"}


def test_values_that_are_none_are_left_out_and_stop_nothing() -> None:
    assert acquisition(header(KVP="0", StudyDate="20200231", MagneticFieldStrength=None)) == {}
    assert acquisition(header(PatientBirthDate="20000601", StudyDate="20200531"))["patient_age_y"] == "19"
    assert "patient_age_y" not in acquisition(header(PatientBirthDate="20200131", StudyDate="20200131"))
    assert acquisition(header(Modality="MG", ImageLaterality="R", ViewPosition="MLO"))["view"] == "MLO"
