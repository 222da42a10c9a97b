"""What a path to results of nnU-Net means."""

import pytest
from nnunet_results import TRAINER, write_results

from medseg.errors import ModelFolderError
from medseg.inference.nnunet.folder import find_results, recognises


@pytest.fixture
def trainer(tmp_path):
    folder = tmp_path / "nnUNet_results" / "Dataset900_tiny" / TRAINER
    for fold in ("10", "2", "all"):
        (folder / f"fold_{fold}").mkdir(parents=True)
        (folder / f"fold_{fold}" / "checkpoint_final.pth").touch()
    (folder / "fold_2" / "checkpoint_best.pth").touch()
    for name in ("dataset.json", "plans.json"):
        (folder / name).write_text("{}")
    return folder


def test_a_trainer_folder_means_its_numbered_folds_in_order(trainer):
    assert recognises(trainer)
    assert find_results(trainer).folds == ("2", "10")
    assert {path.name for path in find_results(trainer).checkpoints} == {"checkpoint_final.pth"}


@pytest.mark.parametrize("above", [1, 2])
def test_a_folder_above_one_training_means_that(trainer, above):
    assert recognises(trainer.parents[above - 1])
    assert find_results(trainer.parents[above - 1]).folder == trainer


def test_a_fold_and_a_checkpoint_mean_themselves(trainer):
    assert find_results(trainer / "fold_all").folds == ("all",)
    best = trainer / "fold_2" / "checkpoint_best.pth"
    assert recognises(best)
    assert find_results(best).checkpoints == (best,)
    assert find_results(trainer, "checkpoint_best.pth").checkpoints == (best,)


def test_the_best_is_taken_where_no_training_ended(trainer):
    for path in trainer.glob("fold_*/checkpoint_final.pth"):
        path.unlink()
    assert find_results(trainer).checkpoints == (trainer / "fold_2" / "checkpoint_best.pth",)


def test_two_trainings_are_not_chosen_between(trainer, tmp_path):
    write_results(trainer.parent / "nnUNetTrainer__nnUNetPlans__2d", name="2d")
    with pytest.raises(ModelFolderError, match=f"2 trainings .*{TRAINER}.*Pass one of them"):
        find_results(tmp_path / "nnUNet_results")


def test_a_training_without_a_checkpoint_is_told(trainer):
    for path in trainer.glob("fold_*/*.pth"):
        path.rename(path.with_name("checkpoint_latest.pth"))
    with pytest.raises(ModelFolderError, match=r"only checkpoint_latest\.pth in 2 fold"):
        find_results(trainer)


def test_other_folders_are_not_results(tmp_path):
    (tmp_path / "plans.json").write_text("{}")
    (tmp_path / "dataset.json").write_text("{}")
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "missing")
    with pytest.raises(ModelFolderError, match="no results of nnU-Net"):
        find_results(tmp_path)
