"""The cells of a study: each is the base run under a data set's, an arm's and a budget's overrides, with a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bridge_distill import pipeline, teacher
from bridge_distill.config import Assistant, Budget, Run, Study, StudyBudget
from bridge_distill.config.study import QUERIES_ALONE
from bridge_distill.engine.fingerprint import fingerprint
from bridge_distill.engine.stage import Stage
from bridge_distill.errors import UserError
from bridge_distill.runfile import read_tree, read_yaml, vary
from bridge_distill.study.changes import check_changes, check_overrides
from bridge_distill.validation import read_section

TESTS = ("evaluate", "guide")


@dataclass(frozen=True)
class Cell:
    """One run of a study, the stages that its tests need, in order, and a key for each.

    ``learner`` is the run's assistant, or where it has none that of its data set, whose replies it shares.
    Stages of one key make the same output, since their settings are the same and so are those of all that they
    come from; ``keys`` are known before anything has run.
    """

    set: str
    arm: str
    budget: str
    seed: int
    run: Run
    learner: Assistant | None
    stages: dict[str, Stage]
    keys: dict[str, str]

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.set}, {self.arm}, {self.budget}, seed {self.seed}"

    @property
    def cell(self) -> tuple[str, str, str, int]:
        """Which cell of the study this is."""
        return self.set, self.arm, self.budget, self.seed

    def before(self, stage: str) -> list[str]:
        """The stages that one comes from, itself last, in order."""
        wanted = {stage}
        for name in reversed(self.stages):
            if name in wanted:
                wanted |= set(self.stages[name].inputs)
        return [name for name in self.stages if name in wanted]


@dataclass(frozen=True)
class StudyFile:
    """A study, the folder that it lies in, and its cells, seed by seed."""

    study: Study
    folder: Path
    cells: list[Cell]


def read_study(path: Path, overrides: Sequence[str] = ()) -> StudyFile:
    """Read and validate a study file and every run that it makes; ``overrides`` are settings of its base run.

    Raises ``UserError`` naming the dotted path, the value and the cure.
    """
    study = read_section(Study, read_yaml(path))
    check_changes(study)
    check_overrides(study, overrides)
    base = (path.parent / study.base).resolve()
    tree = read_tree(base, overrides)
    whole = vary(tree, {}, str(study.base), base.parent)
    capped = [name for name in ("usd", "input_tokens", "output_tokens", "study") if getattr(whole.budget, name)]
    if study.cap is None and capped:
        problem = f"is missing, though the base run sets budget.{capped[0]}"
        raise UserError("cap", problem, "add what all cells together may take, such as cap: {usd: 1.00}")
    where = (path.parent / study.where).resolve() if study.where is not None else whole.runs
    if (where / study.name / "run.json").exists():
        raise UserError("name", f"{where / study.name} is the folder of a run", "give the study another name")
    here = whole.model_copy(update={"runs": where})
    runs: dict[tuple[str, str, str], tuple[Run, Assistant | None]] = {}
    for set_ in study.data or {whole.name: {}}:
        learner = vary(tree, _data(study, set_), f"data.{set_}", base.parent).assistant
        for budget, arm in product(_budgets(study, whole), study.arms):
            run = _run(study, tree, base.parent, here, set_, arm, budget)
            runs.setdefault((set_, arm, str(run.budget.queries)), (run, run.assistant or learner))
    cells = [
        _cell(study, *runs[set_, arm, budget], set_, arm, seed) for seed in study.seeds for set_, arm, budget in runs
    ]
    return StudyFile(study, where / study.name, cells)


def check(file: StudyFile, buys: Callable[[Cell], bool] = lambda cell: False) -> None:
    """Raise ``UserError`` for any name that no part answers to, before anything is computed or paid.

    Only a cell that ``buys`` needs a usable key.
    """
    alike: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in file.cells:
        alike[cell.set, cell.arm].append(cell)
    for (set_, arm), cells in alike.items():
        with _naming(set_, arm):
            pipeline.check(cells[0].run, cells[0].learner, with_key=any(map(buys, cells)))


@contextmanager
def _naming(set_: str, arm: str) -> Iterator[None]:
    """Say in an error which of the study's runs it is about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{set_}, {arm}: {error.place}", error.problem, error.cure) from None


def _data(study: Study, set_: str) -> Mapping[str, Any]:
    return study.data.get(set_, {})


def _budgets(study: Study, base: Run) -> list[int | str]:
    """The study's budgets, else that of its base."""
    if study.budgets:
        return study.budgets
    if base.budget.queries is None:
        raise UserError("budgets", "is missing, and the base run has no cap on queries", "add such as budgets: [5%]")
    return [base.budget.queries]


def _run(study: Study, tree: dict[str, Any], folder: Path, whole: Run, set_: str, arm: str, budget: Any) -> Run:
    """A cell's run but for its seed: the budget is the study's, unless the arm sets one, under the study's cap."""
    changes, place = study.arms[arm], f"arms.{arm}"
    kept = any(key.split(".")[0] == "budget" for key in changes)
    # An arm's own budget takes the place of the base's: a cap there is not its cap.
    fresh: dict[str, Any] = {"budget": {}} if kept else {}
    merged = vary(tree, {**_data(study, set_), **fresh, **changes}, place, folder)
    if kept:
        budget = _own_queries(merged, f"{place}: budget")
    cap = None if study.cap is None else StudyBudget(name=study.name, **study.cap.model_dump())
    if "student" not in merged.evaluate.models:
        raise UserError(f"{place}: evaluate.models", "has no student, whose accuracy is the result", "add it")
    if merged.evaluate.harness.tasks:
        problem = "has no place in the results of a study"
        raise UserError(f"{place}: evaluate.harness", problem, "leave it out, and ask for it in a run of its own")
    caps = Budget(queries=budget, study=cap, store=whole.budget.store)
    return merged.model_copy(update={"name": study.name, "runs": whole.runs, "budget": caps})


def _own_queries(run: Run, place: str) -> int | str:
    """The queries that an arm's own budget has; raises ``UserError`` where it caps anything else."""
    caps = run.budget
    others = (caps.usd, caps.input_tokens, caps.output_tokens, caps.study, caps.store)
    if caps.queries is None or any(cap is not None for cap in others):
        raise UserError(place, QUERIES_ALONE, "set budget.queries alone")
    return caps.queries


def _cell(study: Study, run: Run, learner: Assistant | None, set_: str, arm: str, seed: int) -> Cell:
    """The stages are made twice: whom the ledger charges follows from what is bought, so that cells may share it."""
    run = run.model_copy(update={"seed": seed})
    with _naming(set_, arm):
        stages = _needed(pipeline.stages(run, study.name, learner))
    keys = keys_of(stages)
    if "teach" in stages:
        stages = _needed(pipeline.stages(run, teacher.shared_scope(study.name, keys["teach"]), learner))
    return Cell(set_, arm, str(run.budget.queries), seed, run, learner, stages, keys)


def _needed(plan: Sequence[Stage]) -> dict[str, Stage]:
    """The tests and all that they come from, in order."""
    wanted = {stage.name for stage in plan if stage.name.split("/")[0] in TESTS}
    for stage in reversed(plan):
        if stage.name in wanted:
            wanted |= set(stage.inputs)
    return {stage.name: stage for stage in plan if stage.name in wanted}


def keys_of(stages: Mapping[str, Stage]) -> dict[str, str]:
    """A key for each stage: a fingerprint over its settings and the keys of what it comes from."""
    keys: dict[str, str] = {}
    for name, stage in stages.items():
        keys[name] = fingerprint(name, stage.settings, {other: keys[other] for other in stage.inputs})
    return keys
