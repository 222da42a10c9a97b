"""The newcomer's way in: inspect, train, predict, evaluate and measure, each as the stages it consists of."""

from medseg.workflow.augmenting import augment_preview
from medseg.workflow.batch_status import status
from medseg.workflow.comparing import FollowUp, compare
from medseg.workflow.corrections import Corrections, read_corrections
from medseg.workflow.cross_validation import CrossValidation, cross_validate
from medseg.workflow.data import convert, convert_dataset, inspect
from medseg.workflow.dicom_objects import convert_to_dicom
from medseg.workflow.loading import load_model, model_info
from medseg.workflow.measuring import evaluate, measure
from medseg.workflow.measuring_cases import MeasuredCases, measure_cases
from medseg.workflow.methods import Paper, write_methods
from medseg.workflow.patient_level import Patients, patients
from medseg.workflow.planning import make_plan
from medseg.workflow.predicting import predict
from medseg.workflow.ranking import leaderboard
from medseg.workflow.report_folder import Report, report
from medseg.workflow.reviewing import Review, review
from medseg.workflow.status_facts import Status
from medseg.workflow.training import TrainedModel, train
from medseg.workflow.verifying import Verification, verify

__all__ = [
    "Corrections",
    "CrossValidation",
    "FollowUp",
    "MeasuredCases",
    "Paper",
    "Patients",
    "Report",
    "Review",
    "Status",
    "TrainedModel",
    "Verification",
    "augment_preview",
    "compare",
    "convert",
    "convert_dataset",
    "convert_to_dicom",
    "cross_validate",
    "evaluate",
    "inspect",
    "leaderboard",
    "load_model",
    "make_plan",
    "measure",
    "measure_cases",
    "model_info",
    "patients",
    "predict",
    "read_corrections",
    "report",
    "review",
    "status",
    "train",
    "verify",
    "write_methods",
]
