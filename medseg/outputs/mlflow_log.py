"""A training in MLflow, in an SQLite file on this machine."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.atomic import write_text
from medseg.errors import MissingExtraError
from medseg.training.observer import Judged, Row

__all__ = ["MlflowLog"]

_EXPERIMENT = "medseg"


class MlflowLog:
    """Logs every epoch's figures to one MLflow run; a training that goes on goes on with the same.

    Args:
        run: Folder of the training; its `mlflow.json` keeps the id of the MLflow run.
        database: The SQLite file; several trainings share it.
        name: Name of the MLflow run.
        settings: What is logged as parameters.

    Raises:
        MissingExtraError: mlflow is not installed.
    """

    def __init__(self, run: Path, database: Path, name: str, settings: Mapping[str, Any]) -> None:
        self._run = run
        self._client: Any = _client(database)
        kept = run / "mlflow.json"
        if kept.exists():
            self._id = json.loads(kept.read_text(encoding="utf-8"))["run_id"]
        else:
            self._id = self._client.create_run(_experiment(self._client, database), run_name=name).info.run_id
            write_text(kept, json.dumps({"run_id": self._id, "database": database.name}) + "\n")
            for key, value in settings.items():
                self._client.log_param(self._id, key, value)
        logged = self._client.get_metric_history(self._id, "step")
        self._written = max((one.step for one in logged), default=0)

    def case(self, epoch: int, judged: Judged) -> None:
        """Nothing: the pictures are logged at the end."""

    def epoch(self, history: Sequence[Row]) -> None:
        """Log the epochs that were not logged yet; the step comes last, as the sign that a row is whole."""
        for row in history[self._written :]:
            for name in sorted(row.keys() - {"epoch"}, key=lambda name: name == "step"):
                self._client.log_metric(self._id, _metric_name(name), row[name], step=int(row["epoch"]))
        self._written = max(self._written, len(history))

    def close(self, *, finished: bool) -> None:
        """End the MLflow run, with the picture of the curves."""
        picture = self._run / "progress.png"
        if picture.exists():
            self._client.log_artifact(self._id, str(picture))
        self._client.set_terminated(self._id, "FINISHED" if finished else "FAILED")


def _client(database: Path) -> Any:
    # MLflow reports its use over the network unless told not to; it reads this when it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import sqlalchemy  # noqa: F401  (mlflow-skinny comes without, and would say so only later)
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        mend = "Install it: pip install 'medseg[mlflow]', or leave log.mlflow out."
        raise MissingExtraError("log.mlflow", "mlflow is not installed", mend) from error
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(f"sqlite:///{database.resolve()}")


def _experiment(client: Any, database: Path) -> str:
    known = client.get_experiment_by_name(_EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    artefacts = database.resolve().with_name("mlflow-artifacts")
    return str(client.create_experiment(_EXPERIMENT, artifact_location=artefacts.as_uri()))


def _metric_name(name: str) -> str:
    """Names of labels may hold what MLflow refuses."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
