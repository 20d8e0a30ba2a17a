"""Several trainers of one run: the same weights in all, those that one trainer of all views would make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.training.trainer import small_settings, start_group, weights_after, windows_of
from training.data import TrainingData
from training.distributed import ALONE, RANK_CHUNKS, Group, joined
from training.errors import BadTraining
from training.fit import train


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two trainers, with the weights that each had after three steps."""
    folder = tmp_path_factory.mktemp("group")
    trainers = start_group(2, folder)
    said = [trainer.communicate(timeout=240)[1] for trainer in trainers]
    assert [trainer.returncode for trainer in trainers] == [0, 0], said
    return folder


def test_all_trainers_hold_the_weights_that_one_with_all_views_makes(out: Path) -> None:
    first, second = (torch.load(out / f"rank{rank}.pt") for rank in (0, 1))
    alone, start = weights_after(3, windows_of(0) + windows_of(1)), weights_after(0, windows_of(0))
    moved = 0.0
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=0, msg=name)
        moved = max(moved, float((value - start[name]).abs().max()))
    assert moved > 1e-3  # more than the tolerance by far


def test_one_of_them_leads_and_a_run_goes_on(out: Path) -> None:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3]
    assert [row["views"] for row in rows if row["kind"] == "train"] == [8, 16, 24]
    places = torch.load(out / "checkpoint.pt")["places"]
    assert len(places) == 2
    assert places[0]["rng"] != places[1]["rng"]
    assert (out / "weights" / "ems-nano.safetensors").exists()


def test_another_number_of_trainers_is_refused(out: Path, square_data: TrainingData) -> None:
    with pytest.raises(BadTraining, match=r"written by 2 trainers, now there are 1; start as many again"):
        train(small_settings(out, steps=4), None, square_data)


def test_trainers_see_chunks_of_their_own(square_data: TrainingData) -> None:
    group = Group(rank=1, size=2)
    with square_data.chunks(0) as chunks:
        mine = group.own(chunks).load(3)[0]
        theirs = chunks.load(RANK_CHUNKS + 3)[0]
        assert ALONE.own(chunks) is chunks
    assert mine.xyxy.tolist() == theirs.xyxy.tolist()
    assert group.first_chunk(3) == RANK_CHUNKS + 3


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(torch.cuda.device_count()))
    with pytest.raises(BadTraining, match=r"found \d+ CUDA devices.*start fewer"), joined("cuda"):
        pass
