"""init=parent: which trial a candidate inherits from, and what stays on disk for it."""

from toy import Evaluate, strategy, toy_space

from evaluators.api import Outcome
from search.kept_conf import leaves
from search.launch import LAUNCHERS
from search.launch.driver import next_proposal
from search.parent import nearest_trained, unlike
from search.progress import Progress
from search.records import Ledger, Log, Proposal, events, read
from space import Arch


def toy(**choices):
    return Arch.make("toy_search", choices)


class Leaving(Evaluate):
    """Leaves weights as the real evaluation does, and notes what each job was given to begin with."""

    def __call__(self, job):
        job.directory.mkdir(exist_ok=True)
        begun = job.parent is None or (job.parent / "weights.pt").is_file()
        for event in super().__call__(job):
            if isinstance(event, Outcome):
                (job.directory / "weights.pt").write_text("weights")
            yield event if begun else Outcome("bug", f"{job.parent} holds no weights")


def run(run_dir, **options):
    conf = strategy(inherit=True, **options)
    with Log.open(run_dir) as log:
        log.started({})
        progress = Progress(conf.trials, goals=conf.goals, last=conf.rung)
        LAUNCHERS["serial"]().run(toy_space(), conf, Leaving(), log, progress=progress)
    return read(run_dir)


def test_each_candidate_begins_with_the_nearest_trained_one(tmp_path):
    records = run(tmp_path)
    assert records[0].proposal.parent is None
    for record in records[1:]:
        known = [r for r in records[: record.number] if r.proposal.arch != record.proposal.arch]
        wanted = dict(leaves(record.proposal.arch.arch))
        least = min(unlike(wanted, r.proposal.arch) for r in known)
        assert unlike(wanted, records[record.proposal.parent].proposal.arch) == least


def test_of_equally_near_ones_the_newest_is_taken_and_never_the_same_architecture(tmp_path):
    records = run(tmp_path, trials=6)
    assert nearest_trained(records, records[3].proposal) != 3
    far = toy(a=7, b=7)
    nearest = [r.number for r in records if unlike({"a": 7, "b": 7, "mixer": "attention"}, r.proposal.arch) == least(records, far)]
    assert nearest_trained(records, Proposal(far, 0, 2)) == max(nearest)
    assert nearest_trained(records, Proposal(far, 1, 2)) is None  # nothing was trained under that seed


def least(records, arch):
    return min(unlike(dict(arch.arch), r.proposal.arch) for r in records)


def test_the_parent_is_in_the_log_and_every_ask_is_reproduced(tmp_path):
    records = run(tmp_path)
    asked = [event for event in events(tmp_path / "trials.jsonl") if event["event"] == "asked"]
    assert [event.get("parent") for event in asked] == [record.proposal.parent for record in records]
    ledger = Ledger()
    for event in events(tmp_path / "trials.jsonl"):
        if event["event"] == "asked":
            again = next_proposal(toy_space(), strategy(inherit=True), ledger.records)
            assert again == records[event["number"]].proposal
        ledger.apply(event)


def test_what_a_trial_left_stays_and_its_checkpoints_go(tmp_path):
    run(tmp_path, trials=4)
    for number in range(4):
        assert [file.name for file in (tmp_path / "checkpoints" / str(number)).iterdir()] == ["weights.pt"]
    run(tmp_path, trials=6)  # extended: the earlier ones are there to begin with
    assert len(read(tmp_path)) == 6


def test_without_it_nobody_has_a_parent(tmp_path):
    conf = strategy(trials=3)
    with Log.open(tmp_path) as log:
        log.started({})
        progress = Progress(conf.trials, goals=conf.goals, last=conf.rung)
        LAUNCHERS["serial"]().run(toy_space(), conf, Evaluate(), log, progress=progress)
    assert {record.proposal.parent for record in read(tmp_path)} == {None}
    assert not any((tmp_path / "checkpoints").iterdir())
