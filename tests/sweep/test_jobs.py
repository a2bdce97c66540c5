from __future__ import annotations

from gdexp.sweep.jobs import axes_of, jobs_of


def test_what_differs_between_the_jobs_is_what_is_swept() -> None:
    jobs = jobs_of([["lr=0.1", "seed=0", "plots=none"], ["lr=0.1", "seed=1", "plots=none"]])
    assert [job.swept for job in jobs] == [{"seed": "0"}, {"seed": "1"}]
    assert [job.name for job in jobs] == ["seed=0", "seed=1"]


def test_a_sweep_of_one_job_is_named_after_all_it_sets() -> None:
    (job,) = jobs_of([["lr=0.1", "init=zero"]])
    assert job.name == "lr=0.1, init=zero"


def test_long_numbers_are_shortened_in_names_and_kept_in_values() -> None:
    job = jobs_of([["lr=0.000316227766016838"], ["lr=1"]])[0]
    assert job.name == "lr=0.000316228"
    assert job.swept == {"lr": "0.000316227766016838"}


def test_values_may_hold_what_separates_key_and_value() -> None:
    (job, _) = jobs_of([["data.path=a=b.csv"], ["data.path=c.csv"]])
    assert job.swept == {"data.path": "a=b.csv"}


def test_a_job_need_not_set_every_key_that_is_swept() -> None:
    overrides = [["stopping=convergence"], ["stopping=loss_threshold", "stopping.loss_threshold=2"], []]
    jobs = jobs_of(overrides)
    assert axes_of(overrides) == ["stopping", "stopping.loss_threshold"]
    assert [job.name for job in jobs] == [
        "stopping=convergence",
        "stopping=loss_threshold, stopping.loss_threshold=2",
        "defaults",
    ]
