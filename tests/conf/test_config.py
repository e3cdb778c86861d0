"""conf/ and config.py: everything composes into its dataclass, mistakes are refused with a way out, runs are named stably."""

import random
import re
import shlex
from pathlib import Path

import pytest
import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from config import CONF, compose, explain, load, load_space, plugins_named, run_name, typed
from evaluators.data import DATA
from evaluators.latency import BACKENDS
from evaluators.task import TASKS
from search.kept_conf import keep_conf
from search.launch import LAUNCHERS
from search.strategy import STRATEGIES
from space.narrowing import keep_fixed
from space.networks import NETWORKS

GROUPS = {"task": TASKS, "data": DATA, "latency": BACKENDS, "search": STRATEGIES, "launch": LAUNCHERS}
OPTIONS = [(group, name) for group, registry in GROUPS.items() for name in registry]


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_every_registered_option_has_a_yaml_that_composes_to_it(group, name, tmp_path):
    needs = (
        [f"data.root={tmp_path}"] if group == "data" and name not in ("scenes", "scene_boxes", "scene_points", "garments") else []
    )
    with compose(["+space=segformer_b0", f"{group}={name}", *needs]) as conf:
        assert type(typed(conf[group])) is GROUPS[group][name]


@pytest.mark.parametrize("file", sorted((CONF / "schedule").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_schedule_composes(file):
    with compose(["+space=segformer_b0", f"schedule={file.stem}"]) as conf:
        assert typed(conf.schedule).rungs == yaml.safe_load(file.read_text()).get("rungs", [42, 84, 127])


@pytest.mark.parametrize("file", [f for g in [*GROUPS, "schedule"] for f in sorted((CONF / g).glob("*.yaml"))], ids=str)
def test_every_yaml_of_a_group_is_typed(file):
    assert yaml.safe_load(file.read_text())["defaults"][0].endswith("_schema")


@pytest.mark.parametrize("name", [file.stem for file in sorted((CONF / "space").glob("*.yaml"))])
def test_every_space_loads_and_samples(name):
    with compose([f"+space={name}"]) as conf:
        space = load_space(conf, name, [])
    assert space.sample(random.Random(0)) in space
    assert space.baseline in space


def test_a_narrowing_keeps_what_the_place_fixes_and_the_baseline_as_reference():
    overrides = [
        "+space=segformer",
        "space.arch.stage3.mixer=attention",
        "space.arch.stage1.mixer=pool",
        "space.arch.stage2.depth=2",
    ]
    with compose(overrides) as conf:
        space = load_space(conf, "segformer", overrides)
    member = space.sample(random.Random(0))
    assert member.arch["stage3"]["mixer"]["heads"] == 5
    assert member.arch["stage1"]["mixer"] == {"name": "pool", "size": 3, "minus": "input"}
    assert member.arch["stage2"]["depth"] == 2
    assert not space.baseline_inside


def test_fixing_an_option_keeps_ties_and_nested_options_that_the_file_fixes():
    hole = {"choice": [4, 8]}
    written = {
        "choice": ["attention"],
        "attention": {"heads": {"tie": "a.b"}, "kv": {"name": "conv", "reduction": hole}, "x": hole},
    }
    fixed = {"name": "attention", "heads": {"tie": "a.b"}, "kv": {"name": "conv"}}
    assert keep_fixed({"mixer": "attention"}, {"mixer": written}) == {"mixer": fixed}


def loaded(overrides):
    with compose(overrides) as conf:
        return load(conf)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("space.arch.stage1.mixer=pol", "Did you mean 'pool'"),
        ("space.arch.stage1.mixer.pool.size=4", "stage1.mixer.pool.size"),
        ("space.arch.stage1.depth=9", "stage1.depth: given 9; allowed: 1, 2"),
        ("space.arch.stage1.depth=9", "segformer_b0.yaml as narrowed on the command line"),
        ("space.arch.stage1.depth=two", "stage1.depth: given 'two'; allowed: an int"),
        ("space.arch.stage1.mixer=attention", "stage1.mixer.attention.kv.conv.reduction to its default 1"),
        ("space.arch.stage1.mixer.attention.kv=conv", "Say stage1.mixer.attention.kv.choice=[conv]"),
        ("+space.arch.stage1.dpth=2", "dpth"),
        ('space.where=["stage1.mixr == 1"]', "Did you mean 'mixer'"),
        ("search.objectives.miuo=max", "miou"),
        ("search.objectives.accuracy=min", "search.objectives.accuracy: given min; allowed: max"),
        ("schedule.mixup=0.8", "schedule.mixup: 0.8 needs data with one label"),
        ("schedule.smoothing=1", "schedule.smoothing"),
        ("task=classification", "Scenes has targets of kind 'mask'"),
        ("data=garments", "task=segmentation needs data with masks"),
        ("search.limits.params=3", "params_m"),
        ("search.limits.miou=3", "after training"),
        ("space.baseline=segformer_b9", "segformer_b"),
        ("schedule.optimizer=adamv", "adamw"),
        ("task.balance=3", "task.balance"),
        ("latency.device=gpu", "latency.device"),
        ("data.root=/nowhere", "data=ade20k"),
        ("search.trials=0", "search.trials"),
        ("device=cuda:7", "device"),
    ],
)
def test_bad_values_are_refused_before_anything_is_spent(override, said):
    with pytest.raises((ValueError, HydraException, OmegaConfBaseException)) as error:
        loaded(["+space=segformer_b0", override])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "guess"),
    [
        (["+space=segformr"], "segformer"),
        (["+space=segformer_b0", "serch.trials=3"], "search.trials"),
        (["+space=segformer_b0", "search.trails=3"], "search.trials"),
        (["+space=segformer_b0", "space.arch.stage1.mixr=pool"], "space.arch.stage1.mixer"),
        (["+space=segformer_b0", "search=nsga4"], "nsga3"),
    ],
)
def test_a_misspelt_name_or_key_gets_the_nearest_guess(overrides, guess):
    with pytest.raises(HydraException) as error, compose(overrides):
        pass
    assert f"'{guess}'?" in explain(error.value, overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("schedule.lr=fast", "schedule.lr: given fast; Value 'fast' of type 'str' could not be converted to Float"),
        ("space.arch.stage1.ffn.mix.kernels=[3,5]", "space.arch.stage1.ffn.mix.kernels.choice=[[3,5]]"),
        ("space.arch.stage1.mixer={name: pool}", "space.arch.stage1.mixer: given a mapping"),
        ("space.arch.stage1.mixer.pol.size=3", "Did you mean 'space.arch.stage1.mixer.pool.size'"),
        ("space.arch.stage1.width=3", "Known in space.arch.stage1: dim, depth, embed, mixer, ffn."),
    ],
)
def test_what_hydra_refuses_is_said_with_what_is_allowed(override, said):
    overrides = ["+space=segformer_b0", override]
    with pytest.raises(HydraException) as error, compose(overrides):
        pass
    assert said in explain(error.value, overrides)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults: [segformer, _self_]\nbaselin: x", "unknown key 'baselin'; .*Did you mean 'baseline'.*space/mine"),
        ("network: segformer\nbaseline: segformer_b2", r"begin the file with defaults: \[space_schema, _self_\].*mine\.yaml"),
        ("defaults: [segformer, _self_]\nbaseline: segformer_b0", r"'segformer_b0' is no member .*stage1\.dim.*mine\.yaml"),
        ("defaults: [segformer, _self_]\nbaseline: [", r"(?s)mine\.yaml"),
    ],
)
def test_a_faulty_space_file_is_named(tmp_path, text, said):
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.yaml").write_text(text)
    with (
        pytest.raises((ValueError, HydraException, OmegaConfBaseException, yaml.YAMLError)) as error,
        compose(["+space=mine"], config_dir=tmp_path) as conf,
    ):
        load_space(conf, "mine", [])
    assert re.search(said, explain(error.value, ["+space=mine"]))


@pytest.mark.parametrize(
    ("archs", "said"), [("nowhere.yaml", "nowhere.yaml: No such file"), ("segformer_b9", "Did you mean 'segformer_b"), ("", "")]
)
def test_the_archs_to_train_are_found_before_anything_is_spent(archs, said, tmp_path):
    if not said:
        archs, said = tmp_path / "typo.yaml", "Did you mean 'norm_layout'.*typo"
        archs.write_text("network: segformer\narch: {norm_layuot: pre}")
    with pytest.raises(ValueError, match=said):
        loaded(["+space=segformer_b0", "search=archs", f"search.archs=[{archs}]"])


def test_a_list_of_archs_that_is_empty_begins_no_run():
    with pytest.raises(ValueError, match=r"search\.archs: none given"):
        loaded(["+space=segformer_b0", "search=archs"])


def test_plugins_are_read_from_every_place_that_may_name_them(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "one.yaml").write_text("plugins: garden")
    assert plugins_named(["plugins=garden"], CONF) == ["garden"]
    assert plugins_named(["+plugins=[a,b]", "experiment=one", f"--config-dir={tmp_path}"], CONF) == ["a", "b", "garden"]
    assert plugins_named(["plugins=null", "experiment=one", "-cd", str(tmp_path)], CONF) == ["garden"]


@pytest.mark.parametrize(("space", "first"), [("segformer_b0", "miou"), ("metaformer", "top1")])
def test_accuracy_is_the_metric_of_the_task_in_all_that_is_kept(space, first):
    run = loaded([f"+space={space}"])
    assert [(goal.name, goal.direction) for goal in run.strategy.goals] == [(first, "max"), ("latency_ms", "min")]
    assert run.conf["search"]["objectives"] == {first: "max", "latency_ms": "min"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+space=segformer_b0", "task=classification", "data=garments"], r"needs a network with output \(B, classes\)"),
        (["+space=metaformer", "task=segmentation", "data=scenes"], r"needs a network with output \(B, classes, h, w\)"),
        (["+space=metaformer", "schedule=ade20k"], r"decoder_lr_factor: 10.* set it to 1"),
    ],
)
def test_a_space_with_a_task_or_recipe_of_another_kind_is_refused(overrides, said):
    with pytest.raises(ValueError, match=said):
        loaded(overrides)


def test_measuring_elsewhere_needs_a_launcher_that_has_another_place():
    with pytest.raises(ValueError, match=r"latency\.resource: 'edge_board' given.*allowed with launch=ray"):
        loaded(["+space=segformer_b0", "launch=serial", "latency.resource=edge_board"])
    assert loaded(["+space=segformer_b0", "latency.resource=edge_board"]).launcher.resource == "edge_board"


def test_the_smoothing_of_the_schedule_is_that_of_the_task():
    with compose(["+space=segformer_b0", "task=classification", "data=garments", "schedule=imagenet"]) as conf:
        assert typed(conf.task).smoothing == 0.1
        assert typed(conf.schedule).area == [0.08, 1.0]


def test_a_run_is_named_by_what_makes_it_another_search():
    assert run_name(["+space=segformer"]) == "default"
    assert run_name(["+space=segformer", "search.trials=40", "launch=serial", "launch.workers=1", "results=/tmp/r"]) == "default"
    one = run_name(["+space=segformer", "search=tpe", "search.seed=1"])
    assert one == run_name(["search.seed=1", "+space=segformer", "search=tpe"])
    assert one.startswith("search-tpe_search.seed-1-") or "tpe" in one
    assert one != run_name(["+space=segformer", "search=tpe", "search.seed=2"])
    assert run_name(["+space=segformer", "space.arch.stage1.mixer=pool"]) != "default"
    assert run_name(["+space=segformer", "space.input_size=[256,256]"]) != "default"
    assert len(run_name([f"schedule.lr={n}" for n in range(60)])) <= 69


def test_a_run_goes_on_only_under_its_own_configuration(tmp_path):
    begun = {"search": {"trials": 3, "seed": 0}, "launch": {"workers": 1}, "schedule": {"lr": 0.1}}
    defaults = {"schedule": {"lr": 0.5, "closing": 0.0}}
    keep_conf(tmp_path, begun, defaults=defaults)
    keep_conf(tmp_path, begun | {"search": {"trials": 9, "seed": 0}, "launch": {}}, defaults=defaults)
    with pytest.raises(ValueError, match=r"schedule\.lr: it began with 0\.1, now 0\.2\n.*run=<other name>"):
        keep_conf(tmp_path, begun | {"schedule": {"lr": 0.2}}, defaults=defaults)
    with pytest.raises(ValueError, match=r"schedule\.closing: it began with 0\.0, now 0\.1"):
        keep_conf(tmp_path, begun | {"schedule": {"lr": 0.1, "closing": 0.1}}, defaults=defaults)
    keep_conf(tmp_path, begun | {"schedule": {"lr": 0.1, "closing": 0.0}}, defaults=defaults)  # a field of a later version


def test_the_commands_of_the_readme_compose(tmp_path):
    text = (Path(__file__).parents[2] / "README.md").read_text()
    given = re.findall(r"run_search\.py (\+[^`\n]*)", text)
    table = text.split("## What to type")[1].split("\n## ")[0]
    rows = [cell for cell in re.findall(r"`([^`\n]*=[^`\n]*)`", table) if not cell.startswith(("-m", "python"))]
    whole = [row if row.startswith("+space") else f"+space=segformer {row}" for row in rows]
    commands = [shlex.split(line) for line in [*given, *whole]]
    assert len(commands) > 10
    for command in commands:
        with compose(command) as conf:
            assert typed(conf.space).network in NETWORKS
