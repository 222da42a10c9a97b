"""The newcomer's way in: inspect, train, predict, evaluate and measure, each as the stages it consists of."""

from medseg.workflow.data import convert, convert_dataset, inspect
from medseg.workflow.measuring import evaluate, measure
from medseg.workflow.predicting import load_model, predict
from medseg.workflow.training import TrainedModel, train

__all__ = [
    "TrainedModel",
    "convert",
    "convert_dataset",
    "evaluate",
    "inspect",
    "load_model",
    "measure",
    "predict",
    "train",
]
