"""Trials on Ray Tune: in parallel on this machine, or on a cluster that is there already. The only file that knows Ray.

Tune runs the trials; what to try and what is remembered is ours: a `Searcher` asks the driver for the next trial, and every step
of a trial returns one event of `evaluate`, which goes to the log. Tune's own experiment state is never read back.
"""

import logging
import math
import os
import pickle
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import AuthenticationError, NodeDiedError, OutOfMemoryError, RayActorError, RayError, WorkerCrashedError
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evaluators.api import Evaluate, Job, Outcome, RungResult
from registry import nearest
from search.launch import LAUNCHERS
from search.launch.driver import Driver, steps
from search.launch.elsewhere import Elsewhere, measured
from search.launch.fence import hold_fence
from search.launch.ray_output import logs_to
from search.launch.resources import fits, shown
from search.progress import Progress
from search.records import Log
from search.strategy import Strategy
from space import Space

TOKEN = "RAY_AUTH_MODE=token in the environment, and RAY_AUTH_TOKEN=... or the token's file as RAY_AUTH_TOKEN_PATH=..."
CHECKOUT = Path(__file__).resolve().parents[2]
STORE_MB = 256  # Ray's object store: trials travel as architectures, data and weights do not pass through it


@LAUNCHERS.register("ray")
@dataclass(frozen=True)
class RayTune:
    """`address: local` starts a Ray of this run's own; `auto` or an address joins a running cluster."""

    address: str = "local"
    workers: int = 0  # trials at a time; 0: as many as the resources allow
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | None = None  # fractions share a GPU; null: one for each worker where there are GPUs, else none
    workers_per_trial: int = 0  # processes that train a trial together; 0: one for each GPU, at least one
    plugins: list[str] = field(default_factory=list)  # modules shipped to a cluster; filled in by config.py
    resource: str = ""  # of the nodes that measure: latency.resource, filled in by config.py

    def __post_init__(self) -> None:
        for name, low in (("workers", 0), ("cpus_per_trial", 0), ("gpus_per_trial", 0), ("workers_per_trial", 0)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ValueError(f"launch.{name}: {value} given; allowed: {low} or more")
        if self.gpus_per_trial and self.gpus_per_trial > 1 and self.gpus_per_trial % 1:
            raise ValueError(f"launch.gpus_per_trial: {self.gpus_per_trial} given; allowed: a fraction below 1, or whole GPUs")
        if self.gpus_per_trial and self.workers_per_trial not in (0, max(1, self.gpus_per_trial)):
            raise ValueError(
                f"launch.workers_per_trial: {self.workers_per_trial} given beside gpus_per_trial={self.gpus_per_trial:g}; "
                f"allowed: {max(1, self.gpus_per_trial):g}, as each trains on a GPU of its own, or 0, which means that"
            )

    @property
    def processes(self) -> int:
        """That train one trial together."""
        return self.workers_per_trial or max(1, int(self.gpus_per_trial or 1))

    @property
    def cpus(self) -> float:
        """That one trial occupies: at least one for each of several processes."""
        return max(self.cpus_per_trial, self.processes if self.processes > 1 else 0)

    def run(self, space: Space, strategy: Strategy, evaluate: Evaluate, log: Log, *, progress: Progress) -> str:
        """Why the run is over. Ray and its workers are gone when this returns or raises."""
        with progress, logs_to(log.run_dir / "ray.log"):
            driver = Driver(space, strategy, log, progress=progress)
            try:
                self._connect(log.run_dir)
                if lacking := self.lacking():
                    progress.note(f"{lacking} Waiting for one that does.")
                progress.note(f"{self.places()} trials at a time, each with {shown(self.resources())}")
                remote = Board(self.resource, evaluate, log.run_dir, driver.token) if self.resource else None
                ask = Ask(driver, self, remote)
                self._tuner(ask, evaluate, log.run_dir).fit()
            finally:
                ray.shutdown()
            shutil.rmtree(log.run_dir / "ray", ignore_errors=True)
            if ask.error is not None:
                raise ask.error
            if not ask.done:
                raise KeyboardInterrupt  # Tune took the signal, stopped its trials and returned
            return driver.finish()

    def _connect(self, run_dir: Path) -> None:
        if ray.is_initialized():
            raise ValueError("launch=ray: this process is connected to Ray already; one run at a time")
        quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.address == "local":
            path = os.pathsep.join(dict.fromkeys([*(entry for entry in sys.path if entry), str(CHECKOUT)]))
            cpus = max(1, math.ceil(self.workers * self.cpus)) if self.workers else None  # None: what Ray counts
            environment = {"env_vars": {"PYTHONPATH": path}}
            store = STORE_MB * 2**20
            ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=store, runtime_env=environment, **quiet)
        else:
            try:
                ray.init(self.address, runtime_env=self._shipped(), **quiet)
            except (ConnectionError, AuthenticationError) as error:
                allowed = "local, or auto or host:port of a cluster that runs"
                token = f"Where the cluster wants a token (InvalidAuthToken): {TOKEN}"
                reason = str(error).partition(". ")[0]
                raise ValueError(f"launch.address: cannot join '{self.address}' ({reason}); allowed: {allowed}. {token}") from None
            check_shared(run_dir)

    def _shipped(self) -> dict[str, Any]:
        """The checkout (but for what git ignores) as working directory and the plug-ins, for machines that have neither."""
        sources = [source_of(name) for name in sorted({name.partition(".")[0] for name in self.plugins})]
        beside = [str(source) for source in sources if source.parent != CHECKOUT]  # the others travel with the checkout
        return {"working_dir": str(CHECKOUT), **({"py_modules": beside} if beside else {})}  # Ray stumbles over an empty list

    def _tuner(self, ask: "Ask", evaluate: Evaluate, run_dir: Path) -> tune.Tuner:
        shutil.rmtree(run_dir / "ray", ignore_errors=True)
        trainable = tune.with_parameters(Trial, evaluate=evaluate, run_dir=run_dir, token=ask.driver.token)
        return tune.Tuner(
            tune.with_resources(trainable, self.resources()),
            tune_config=tune.TuneConfig(search_alg=ask, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                name="ray",
                storage_path=str(run_dir),
                failure_config=tune.FailureConfig(max_failures=1),  # a lost worker's trial is tried once more
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # evaluate keeps its own
                callbacks=[Losses(ask)],
                stop=StopOnError(ask),
                verbose=0,
            ),
        )

    def resources(self) -> dict[str, float]:
        """What one trial occupies."""
        gpus = self.gpus_per_trial
        if gpus is None:
            gpus = float(self.processes) if ray.cluster_resources().get("GPU", 0) else 0.0
        return {"cpu": self.cpus, "gpu": gpus}

    def lacking(self) -> str:
        """What to say where no machine holds a trial; '' where one does. ValueError where none will come: this machine is all."""
        if any(fits(node, self.resources()) for node in offered()):
            return ""
        if self.address == "local":
            has = ", ".join(f"{offered()[0].get(kind, 0):g} {kind}" for kind in ("CPU", "GPU"))
            asked = f"a trial asks for {shown(self.resources())} (launch.cpus_per_trial, launch.gpus_per_trial)"
            raise ValueError(f"launch: {asked}; allowed: what this machine has, {has}")
        return f"No machine of the cluster offers {shown(self.resources())}."

    def places(self) -> int:
        """How many trials fit at a time, counted node by node; at least one: a cluster may grow."""
        if self.workers and self.address != "local":
            return self.workers
        fit = max(1, sum(fits(node, self.resources()) for node in offered()))
        return min(self.workers or fit, fit)


def offered() -> list[dict[str, float]]:
    """The resources of each node that is up."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


class Ask(Searcher):
    """Tune's view of the driver: it suggests what the driver asks for, and logs what trials return."""

    def __init__(self, driver: Driver, conf: RayTune, remote: "Board | None" = None):
        super().__init__()
        self.driver, self.conf = driver, conf
        self.elsewhere = Elsewhere(driver, remote) if remote else None
        self.error: BaseException | None = None
        self.done = False
        self._numbers: dict[str, int] = {}  # Tune's trial id -> number of the ask

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.error is not None or self.done:
            return self.FINISHED
        if len(self._numbers) >= self.conf.places():
            return None  # Tune would queue one more: it would be asked with less known
        try:
            record = (self.elsewhere or self.driver).next()
        except BaseException as error:
            self.error = error
            return self.FINISHED
        if record is None:
            self.done = not self._numbers and not (self.elsewhere and self.elsewhere.busy)
            return self.FINISHED if self.done else None
        self._numbers[trial_id] = record.number
        return {"number": record.number, "job": self.driver.job(record)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._tell(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if error:
            return  # `broke` follows, and knows the exception
        if result is not None:
            self._tell(trial_id, result)
        self._numbers.pop(trial_id, None)

    def broke(self, trial_id: str, exception: Exception | None, text: str) -> None:
        """A trial errored twice: its worker died (that is a failure), or raised outside the job, its set-up included (a bug)."""
        if isinstance(exception, RayActorError) and not exception.actor_init_failed:
            outcome = Outcome("failed", "worker lost twice: its process died (out of memory, killed, or its node went away)")
        else:
            outcome = Outcome("bug", text)
        self._tell(trial_id, {"event": outcome})
        self._numbers.pop(trial_id, None)

    def _tell(self, trial_id: str, result: dict[str, Any]) -> None:
        number = self._numbers.get(trial_id)
        if number is None or self.error is not None:
            return
        try:
            self.driver.tell(number, result["event"])
        except BaseException as error:
            self.error = error

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the log is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its set-up beside the trials; nobody reads it back

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a run is resumed from its log, never from Tune's state")


class Losses(tune.Callback):
    """Hears of errored trials with their exception, which a searcher is not told."""

    def __init__(self, ask: Ask):
        self._ask = ask

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._ask.broke(trial.trial_id, *error_of(trial))


def error_of(trial: Any) -> tuple[Exception | None, str]:
    """What an errored Tune trial raised, and as text. Read where Tune has just written it: its copy in the storage comes later."""
    pickled, text = (Path(name) if name else None for name in (trial.pickled_error_file, trial.error_file))
    exception = pickle.loads(pickled.read_bytes()) if pickled and pickled.is_file() else None
    return exception, text.read_text() if text and text.is_file() else str(exception)


class StopOnError(tune.Stopper):
    """Ends the whole experiment once the driver has raised: a bug, or a strategy that refuses to go on."""

    def __init__(self, ask: Ask):
        self._ask = ask

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._ask.error is not None


class Trial(tune.Trainable):
    """A worker: one step is one event of the job. The process is used again for the next trial."""

    def setup(self, config: dict[str, Any], evaluate: Evaluate, run_dir: Path, token: str) -> None:
        hold_fence(run_dir, token)
        self.evaluate = evaluate
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        job: Job = new_config["job"]
        self.events = steps(self.evaluate, job)
        return True

    def step(self) -> dict[str, Any]:
        event = next(self.events)
        return {"event": event, "done": isinstance(event, Outcome)}


class Board:
    """The nodes that offer a custom resource, as the place where rung 0 is measured: each has one measurement at a time."""

    def __init__(self, resource: str, evaluate: Evaluate, run_dir: Path, token: str):
        offers = offered()
        self.devices = int(sum(node.get(resource, 0) for node in offers))
        if not self.devices:
            known = sorted({name for node in offers for name in node if not name.startswith("node:")})
            how = f"a machine offers it with ray start --resources='{{\"{resource}\": 1}}', and the run joins it by launch.address"
            raise ValueError(f"latency.resource: no node of this Ray offers '{resource}'; {nearest(resource, known)} ({how})")
        self._measure = ray.remote(num_cpus=0, resources={resource: 1}, max_retries=1)(measured)
        self._given = ray.put(evaluate), run_dir, token
        self._running: dict[Any, int] = {}

    def start(self, number: int, job: Job) -> None:
        self._running[self._measure.remote(job, *self._given)] = number

    def ended(self) -> Iterator[tuple[int, list[RungResult | Outcome]]]:
        for reference in ray.wait(list(self._running), num_returns=len(self._running), timeout=0)[0] if self._running else []:
            try:
                events = ray.get(reference)
            except RayError as error:
                events = [unmeasured(error)]
            yield self._running.pop(reference), events


def unmeasured(error: RayError) -> Outcome:
    """How a trial ended whose measurement Ray could not run: its worker was lost, twice by now (a failure), or something else went
    wrong outside of the job, for which no architecture is to blame (a bug)."""
    if isinstance(error, WorkerCrashedError | NodeDiedError | OutOfMemoryError):
        return Outcome("failed", f"measuring worker lost twice: {type(error).__name__}: {str(error).splitlines()[0]}")
    return Outcome("bug", f"Ray could not measure it: {type(error).__name__}: {error}")


def source_of(module: str) -> Path:
    """The file of a top-level module, or the folder of a package."""
    spec = find_spec(module)
    assert spec is not None, f"plug-in {module} was imported and is gone"
    return Path(next(iter(spec.submodule_search_locations or [spec.origin]))).resolve()


def check_shared(run_dir: Path) -> None:
    """Every node must see the run directory: checkpoints and the fence are there. ValueError names the nodes that do not."""
    token = run_dir / f".shared-{uuid.uuid4().hex}"
    token.write_text("seen")
    try:
        nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
        sees = ray.remote(num_cpus=0)(os.path.exists)
        asked = {node: sees.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)) for node in nodes}
        seen = {node: ray.get(task.remote(str(token))) for node, task in asked.items()}
    finally:
        token.unlink()
    blind = sorted(nodes[node] for node, found in seen.items() if not found)
    if blind:
        where = "launch.address: the run directory must be on storage that every node sees"
        raise ValueError(f"{where}; {run_dir} is missing on: {', '.join(blind)}")
