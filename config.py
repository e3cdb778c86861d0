"""conf/ to typed objects, for every entry point: with run_search.py the only file that knows Hydra.

A group's yaml picks values; the dataclass beside the code owns types and defaults and is stored here as `<name>_schema`, so that a
misspelt key or a wrong type fails before anything starts, with its full path.
"""

import contextlib
import copy
import dataclasses
import functools
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from evaluators.cost import COUNTERS
from evaluators.data import DATA, from_root
from evaluators.device import resolved_device
from evaluators.distill.teacher import located
from evaluators.evaluation import Evaluation
from evaluators.inherit import PARENT
from evaluators.latency import BACKENDS
from evaluators.schedule import Schedule
from evaluators.table import RecordedTrainings, load_table
from evaluators.tables.mapping import TableConf
from evaluators.task import TASKS
from registry import import_plugins, nearest
from report.figures import figure
from search.command_line import about_unknown, config_dirs, flat_keys, key_of, plugins_named, run_name, spelled_out
from search.kept_conf import kept, refuse_training
from search.launch import LAUNCHERS, placed
from search.objectives import check_names, with_metric
from search.reuse import Reusing, reusing
from search.strategy import STRATEGIES
from search.strategy.ablation import Ablation, check_until
from space import Arch, Space, SpaceConf
from space.narrowing import keep_fixed, refuse_outside

CONF = Path(__file__).parent / "conf"
NARROWING = ("space.arch.", "space.where")


@dataclass(frozen=True)
class RunConf:
    """The root of conf/config.yaml. Each group holds one of its registered dataclasses."""

    space: Any = None  # one of these two: what is trained, or the recorded trainings that are replayed
    table: Any = None
    task: Any = MISSING
    data: Any = MISSING
    schedule: Any = MISSING
    search: Any = MISSING
    latency: Any = MISSING
    launch: Any = MISSING
    device: str = "auto"  # what trains: auto (a GPU where there is one), cpu, cuda, cuda:1
    init: str | None = None  # trained weights to begin with: a checkpoint file, or parent (the run's nearest trained member)
    run: str | None = None  # the run's name; null: made from the overrides
    results: str = "results"  # where run directories are made, from the current folder
    plugins: list[str] = field(default_factory=list)  # modules imported first, here and in workers


@dataclass(frozen=True)
class Run:
    """A run, typed: what run_search.py joins."""

    space: Space
    strategy: Any
    launcher: Any
    evaluation: Evaluation | RecordedTrainings | Reusing
    directory: Path
    command: str
    conf: Mapping[str, Any] = field(repr=False)  # as config.yaml keeps it
    note: str = ""  # what the user should know before the first trial
    columns: tuple[str, ...] = ("params_m", "macs_g")  # shown beside the objectives while the run goes on

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """What a key of config.yaml stood for before it was known, by group."""
        return {**self.evaluation.defaults(), "search": asdict(type(self.strategy)())}


def entry_point(main: Callable[[Run], None]) -> Callable[[], None]:
    """Make `main` a command line: plug-ins first, then Hydra composes; a user's mistake prints a message, not a stack."""

    @functools.wraps(main)
    def with_config(conf: DictConfig) -> None:
        user_errors(lambda: main(load(conf)))()  # inside: Hydra would print a line of its own about the job

    @user_errors
    def command() -> None:
        register(plugins_named(sys.argv[1:], CONF))
        arguments = list(spelled_out(sys.argv[1:]))
        sys.argv[1:] = sorted(arguments, key=lambda item: item in ("-m", "--multirun"))  # last: it may not split the overrides
        hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(with_config)()

    return command


def user_errors(command: Callable[[], None]) -> Callable[[], None]:
    """Let a command end with a message where the user can mend what is wrong; a stack is for our own mistakes."""

    @functools.wraps(command)
    def wrapped() -> None:
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and leaving
        try:
            command()
        except (HydraException, OmegaConfBaseException) as error:
            sys.exit(f"error: {explain(error, sys.argv[1:])}")
        except yaml.YAMLError as error:
            sys.exit(f"error: not readable as yaml: {error}")
        except ValueError as error:
            sys.exit(f"error: {error}")

    return wrapped


@contextlib.contextmanager
def compose(overrides: list[str], *, config_dir: Path | None = None) -> Iterator[DictConfig]:
    """The configuration that these overrides give, for entry points that are no Hydra application and for tests."""
    folders = ["--config-dir", str(config_dir)] if config_dir else []
    register(plugins_named([*overrides, *folders], CONF))
    extra = [f"hydra.searchpath=[file://{config_dir.resolve()}]"] if config_dir else []
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        conf = hydra.compose("config", [*spelled_out(overrides), *extra], return_hydra_config=True)
        HydraConfig.instance().set_config(conf)
        conf = copy.deepcopy(conf)
        with read_write(conf), open_dict(conf):
            del conf["hydra"]  # as a Hydra application is given it
        yield conf


def typed(conf: DictConfig) -> Any:
    """The dataclass that a part of the configuration describes, its own checks passed."""
    return OmegaConf.to_object(conf)


def load(conf: DictConfig) -> Run:
    """Check everything that can be checked before a trial starts, and build the run's objects. ValueError says what is wrong."""
    choices, overrides = HydraConfig.get().runtime.choices, list(HydraConfig.get().overrides.task)
    if conf.space is not None and conf.table is not None:
        raise ValueError("both +space and +table were given; allowed: one of them, as the choices of a table are a space")
    if conf.space is None and conf.table is None:
        spaces, tables = nearest("", conf_names("space")), nearest("", conf_names("table"))
        raise ValueError(f"no space was named. Say +space=<name>; {spaces} To replay recorded trainings: +table=<name>; {tables}")
    found = trained(conf, choices, overrides) if conf.table is None else replayed(conf, choices, overrides)
    space, strategy, evaluation = found
    strategy = strategy.finding(space, lambda key, name: find_member(f"search.{key}", name, space.network))
    launch, note = typed(conf.launch), evaluation.check()
    values = {key: OmegaConf.to_container(node) if OmegaConf.is_config(node) else node for key, node in conf.items()}
    keep = kept(values, choices, space, objectives=strategy.objectives, numbers=getattr(evaluation, "numbers", ""))
    if isinstance(strategy, Ablation):
        strategy = replace(strategy, scale=100.0 if figure(strategy.goals[0].name).share else 1.0)
        defaults = {**evaluation.defaults(), "search": asdict(type(strategy)())}
        evaluation = reusing(evaluation, strategy.reuse, keep, defaults)
    return Run(
        space=space,
        strategy=strategy,
        launcher=placed(launch, conf.plugins, "" if conf.latency is None or conf.table else conf.latency.get("resource", "")),
        evaluation=evaluation,
        directory=Path(conf.results).resolve() / space.name / (conf.run or run_name(overrides)),
        command=shlex.join(["python", *sys.orig_argv[1:]]) if sys.argv[0].endswith("run_search.py") else "",
        note=note,
        conf=keep,
    )


def trained(conf: DictConfig, choices: Mapping[str, Any], overrides: list[str]) -> tuple[Space, Any, Evaluation]:
    """What a search that trains is made of."""
    values: RunConf = typed(conf)
    values = replace(
        values,
        data=from_root(values.data),
        schedule=replace(values.schedule, teacher=located(values.schedule.teacher, functools.partial(conf_file, "arch"))),
        search=with_metric(values.search, values.task.metrics),
    )
    space = load_space(conf, choices["space"], overrides)
    if getattr(values.launch, "address", "local") == "local":  # a cluster's devices are not this machine's
        resolved_device(values.device, "device")
        for backend in values.latency.backends.values():
            backend.check_here()
    free = [*COUNTERS, *values.latency.limitable]
    check_names(values.search.objectives, values.search.limits, free=free, trained=values.task.metrics)
    check_until(values.search, values.task.metrics)
    evaluation = Evaluation(
        baseline=space.baseline,
        input_size=tuple(space.input_size),
        task=values.task,
        data=values.data,
        schedule=values.schedule,
        latency=values.latency,
        limits=dict(values.search.limits),
        device=values.device,
        plugins=tuple(values.plugins),
        cache=Path(values.results).resolve() / "cache",
        init=str(Path(values.init).expanduser().resolve()) if values.init not in (None, PARENT) else values.init or "",
        processes=getattr(values.launch, "processes", 1),
    )
    return space, replace(values.search, rungs=values.schedule.rungs, inherit=values.init == PARENT), evaluation


def replayed(conf: DictConfig, choices: Mapping[str, Any], overrides: list[str]) -> tuple[Space, Any, RecordedTrainings]:
    """What a search over recorded trainings is made of."""
    name, source = choices["table"], conf_file("table", choices["table"])
    if OmegaConf.is_missing(conf.table, "file") or not conf.table.file:
        raise ValueError(f"table.file: not given; expected the path of the recorded trainings, table.file=... ({source})")
    experiment = choices.get("experiment")
    refuse_training(name, overrides, conf_file("experiment", experiment) if experiment else None)
    mapping = typed(conf.table)
    if not isinstance(mapping, TableConf):
        raise ValueError(f"table '{name}': its types are missing; begin the file with defaults: [table_schema, _self_] ({source})")
    table = load_table(name, mapping)
    search = with_metric(typed(conf.search), mapping.metric)
    check_names(search.objectives, search.limits, free=list(mapping.measurements), trained=mapping.metric)
    check_until(search, mapping.metric)
    evaluation = RecordedTrainings(name, table.conf, dict(search.limits))
    return table.space, replace(search, rungs=mapping.epochs, separate=mapping.separate), evaluation


def load_space(conf: DictConfig, name: str, overrides: list[str]) -> Space:
    """The space as narrowed on the command line. Its baseline and known members are checked against the space as it is written."""
    source = str(conf_file("space", name))
    if not isinstance(typed(conf.space), SpaceConf):
        raise ValueError(f"space '{name}': its types are missing; begin the file with defaults: [space_schema, _self_] ({source})")
    if not any(item.lstrip("+~").startswith(NARROWING) for item in overrides):
        return Space.load(typed(conf.space), name, find_arch, source=source)
    written = [*HydraConfig.get().overrides.hydra, *overrides]
    written = [item for item in written if not item.lstrip("+~").startswith(NARROWING)]
    loader, config_name = GlobalHydra.instance().config_loader(), HydraConfig.get().job.config_name
    whole = loader.load_configuration(config_name, written, HydraConfig.get().mode or hydra.types.RunMode.RUN)
    whole_space = typed(whole.space)
    whole_loaded = Space.load(whole_space, name, find_arch, source=source)
    narrowed = typed(conf.space)
    narrowed = replace(narrowed, arch=keep_fixed(narrowed.arch, whole_space.arch))
    source = f"{source} as narrowed on the command line"
    space = Space.load(narrowed, name, find_arch, source=source, narrowed=True)
    try:
        refuse_outside(space.template, whole_loaded.template)
    except ValueError as error:
        raise ValueError(f"{error} ({source})") from None
    return space


def find_arch(name: str) -> Arch:
    """An arch by its name in conf/arch (of any configuration folder) or by the path of its file."""
    return Arch.from_yaml(Path(name) if name.endswith((".yaml", ".yml")) else conf_file("arch", name))


def find_member(where: str, name: str, network: str) -> Arch:
    """An arch that the option `where` names; it may lie outside of the space, but not be another network."""
    arch = find_arch(name)
    if arch.network != network:
        raise ValueError(f"{where}: '{name}' is a network '{arch.network}'; allowed: '{network}', the network of the space")
    return arch


def conf_file(group: str, name: str) -> Path:
    """The yaml of an option of a group, in the folder that comes first on the search path."""
    for folder in conf_folders():
        if (folder / group / f"{name}.yaml").is_file():
            return folder / group / f"{name}.yaml"
    raise ValueError(f"no {group} is named '{name}'; {nearest(name, conf_names(group))} A path ending in .yaml is taken as a file.")


def conf_names(group: str) -> list[str]:
    return sorted({file.stem for folder in conf_folders() for file in (folder / group).glob("*.yaml")})


def conf_folders() -> list[Path]:
    """The configuration folders in force: ours, --config-dir, hydra.searchpath."""
    if not GlobalHydra.instance().is_initialized():
        return [CONF]
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    folders = [Path(source.path) for source in sources if source.schema == "file" and source.path]
    return folders or [CONF]


def register(plugins: Iterable[str]) -> None:
    """Import the plug-ins, then store the dataclass of everything registered as a schema for its group's yaml files."""
    import_plugins(plugins)
    store = ConfigStore.instance()
    groups = {"task": TASKS, "data": DATA, "latency": BACKENDS, "search": STRATEGIES, "launch": LAUNCHERS}
    schemas = [(group, name, registry[name]) for group, registry in groups.items() for name in registry]
    for group, name, schema in [
        *schemas,
        ("space", "space", SpaceConf),
        ("table", "table", TableConf),
        ("schedule", "schedule", Schedule),
        (None, "run", RunConf),
    ]:
        node = OmegaConf.structured(schema)
        OmegaConf.set_readonly(node, None)  # OmegaConf takes a frozen dataclass as read-only, and Hydra could not merge into it
        for key in {"limits", "objectives", "reference", "measurements", "metric"} & set(node):
            if OmegaConf.is_dict(node[key]):  # an ablation's `reference` is an architecture
                OmegaConf.set_struct(node[key], False)  # their keys are names of measurements: the command line may add any
        if schema is Schedule:
            OmegaConf.set_readonly(node.distill, None)
        if schema is TableConf:
            OmegaConf.set_struct(node.baseline, False)  # its keys are columns
        store.store(name=f"{name}_schema", node=node, group=group)


def explain(error: Exception, arguments: list[str]) -> str:
    """Hydra's message and, where it is about an unknown name or key, the nearest known one."""
    text = str(error).strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"no {group} is named '{name}'; {nearest(name, conf_names(group))}"
    if merging := re.match(r"Error merging override ([^=]+)=(.*)", text, re.DOTALL):
        key, value = merging[1].lstrip("+"), merging[2]
        reason = str(error.__cause__ or "wrong type").split("\n")[0]
        if "DictConfig with ListConfig" in reason:
            reason = f"this is a hole; a list is fixed as its only choice: {key}.choice=[{value}]"
        return f"{key}: given {value}; {reason}"
    unknown = re.search(r"Could not override '([^']+)'", text)
    unread = error.__context__  # what OmegaConf said while Hydra merged a yaml, or a list of mappings
    within = isinstance(unread, ConfigKeyError) and dataclasses.is_dataclass(unread.object_type)
    if within and not (unknown and str(unread.key) in unknown[1].split(".")):
        known = [entry.name for entry in dataclasses.fields(unread.object_type)]
        return f"{unread.full_key}: unknown key '{unread.key}'; {nearest(str(unread.key), known)} ({text.splitlines()[0]})"
    return about_unknown(unknown[1], text, known_keys(arguments)) if unknown else text


def known_keys(arguments: list[str]) -> list[str]:
    """Every dotted key that the chosen groups have, and the groups themselves."""
    chosen = [item for item in arguments if "=" in item and "." not in key_of(item) and not item.startswith("-")]
    folder = next(iter(config_dirs(arguments)), None)
    for overrides in (chosen, [item for item in chosen if key_of(item) == "space"], []):
        with contextlib.suppress(HydraException), compose(overrides, config_dir=folder) as conf:
            return list(flat_keys(OmegaConf.to_container(conf, throw_on_missing=False)))
    return []
