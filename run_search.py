"""The main flow: read conf, build the space, the evaluation and the strategy, launch, report.

python run_search.py +space=segformer
python run_search.py +table=nasbench201 table.file=...
python run_search.py --help
"""

import sys

import report
from config import Run, entry_point
from evaluators.environment import environment
from search.kept_conf import keep_conf
from search.plan_sheet import announced, keep_plan
from search.progress import Progress
from search.records import Log


@entry_point
def main(run: Run) -> None:
    """Run the search that the command line describes, or go on with it, and write its report."""
    if not announced(run):
        return
    members = run.strategy.total(run.space)
    progress = Progress(members, goals=run.strategy.goals, last=run.strategy.rung, columns=run.columns)
    stopped = False
    with Log.open(run.directory) as log:
        keep_conf(run.directory, run.conf, defaults=run.defaults)
        log.started(environment(run.command))
        keep_plan(run.directory, run.strategy, run.space, log.records)
        if run.note:
            progress.note(run.note)
        progress.note(f"up to {run.strategy.budget or f'{members} members'}; results in {run.directory}")
        try:
            run.launcher.run(run.space, run.strategy, run.evaluation, log, progress=progress)
        except KeyboardInterrupt:
            stopped = True
        finally:
            keep_plan(run.directory, run.strategy, run.space, log.records)
            page = report.write(run.directory)
    print(report.summary(run.directory))
    print(f"Report: {page}")
    if stopped:
        print(f"Stopped. The same command goes on from here: {run.command}")
        sys.exit(130)


if __name__ == "__main__":
    main()
