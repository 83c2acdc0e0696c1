"""The works that the methods of a run come from: one registry, of which a page cites what was used and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WORKS = {
    "bridge": "BRIDGE (arXiv 2512.20403); its formulas are not public, ours are stated where they are computed",
    "reasonbridge": "ReasonBridge (arXiv 2506.22865); its formulas are not public, ours are stated as above",
    "deita": "Liu et al. 2023, What makes good data for alignment?, arXiv 2312.15685",
    "dpp": "Chen, Zhang and Zhou 2018, Fast greedy MAP inference for determinantal point process, arXiv 1709.05135",
    "uncertainty": "Lewis and Gale 1994, A sequential algorithm for training text classifiers, SIGIR",
    "gonzalez": "Gonzalez 1985, Clustering to minimize the maximum intercluster distance, TCS 38",
    "core-set": "Sener and Savarese 2018, Active learning for convolutional neural networks, arXiv 1708.00489",
    "k-means": "Birodkar et al. 2019, Semantic redundancies in image-classification datasets, arXiv 1901.11409",
    "herding": "Bae, Noh and Sutherland 2024, Generalized coverage for more robust low-budget active learning, "
    "arXiv 2407.12212",
    "rds": "Ivison et al. 2025, Large-scale data selection for instruction tuning, arXiv 2503.01807",
    "s1": "Muennighoff et al. 2025, s1: Simple test-time scaling, arXiv 2501.19393",
    "neyman": "Neyman 1934, On the two different aspects of the representative method, JRSS 97",
    "typiclust": "Hacohen, Dekel and Weinshall 2022, Active learning on a budget, arXiv 2202.02794",
    "self-consistency": "Wang et al. 2022, Self-consistency improves chain of thought reasoning, arXiv 2203.11171",
    "forks": "Wang et al. 2025, Beyond the 80/20 rule, arXiv 2506.01939",
    "pruning-text": "Marion et al. 2023, When less is more: Investigating data pruning, arXiv 2309.04564",
    "ifd": "Li et al. 2023, From quantity to quality, arXiv 2308.12032",
    "superfiltering": "Li et al. 2024, Superfiltering, arXiv 2402.00530",
    "long": "Xia et al. 2024, Rethinking data selection at scale, arXiv 2410.09335",
    "active-prompt": "Diao et al. 2023, Active prompting with chain-of-thought, arXiv 2302.12246",
    "sentence-bert": "Reimers and Gurevych 2019, Sentence-BERT, arXiv 1908.10084",
    "model2vec": "Tulkens and van Dongen 2024, Model2Vec, the software",
    "lora": "Hu et al. 2021, LoRA, arXiv 2106.09685",
    "rslora": "Kalajdzievski 2023, A rank stabilization scaling factor for fine-tuning with LoRA, arXiv 2312.03732",
    "dora": "Liu et al. 2024, DoRA: Weight-decomposed low-rank adaptation, arXiv 2402.09353",
    "shira": "Bhardwaj et al. 2024, Sparse high rank adapters, arXiv 2406.13175",
    "star": "Zelikman et al. 2022, STaR: Bootstrapping reasoning with reasoning, arXiv 2203.14465",
    "gpt-3": "Brown et al. 2020, Language models are few-shot learners, appendix C, arXiv 2005.14165",
    "minitron": "Muralidharan et al. 2024, Compact language models via pruning and knowledge distillation, "
    "arXiv 2407.14679",
    "layers": "Gromov et al. 2024, The unreasonable ineffectiveness of the deeper layers, arXiv 2403.17887",
    "label-after": "Wadhwa et al. 2024, Investigating mysteries of CoT-augmented distillation, arXiv 2406.14511",
    "mix": "Li et al. 2025, Small models struggle to learn from strong reasoners, arXiv 2502.12143",
    "step-by-step": "Hsieh et al. 2023, Distilling step-by-step!, arXiv 2305.02301",
    "distillation": "Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network, arXiv 1503.02531",
    "gkd": "Agarwal et al. 2023, On-policy distillation of language models (GKD), arXiv 2306.13649",
    "minillm": "Gu et al. 2023, MiniLLM, arXiv 2306.08543",
    "gold": "Patiño et al. 2025, Unlocking on-policy distillation for any model family (GOLD)",
    "curriculum": "Bengio et al. 2009, Curriculum learning, ICML",
    "self-paced": "Kumar, Packer and Koller 2010, Self-paced learning for latent variable models, NIPS",
    "wilson": "E. B. Wilson 1927, Probable inference, the law of succession, and statistical inference, JASA 22",
    "newcombe": "R. G. Newcombe 1998, Improved confidence intervals for the difference between binomial proportions "
    "based on paired data, Statistics in Medicine 17, method 10",
    "mcnemar": "Q. McNemar 1947, Note on the sampling error of the difference between correlated proportions, "
    "Psychometrika 12",
    "connor": "R. J. Connor 1987, Sample size for testing differences in proportions for the paired-sample design, "
    "Biometrics 43",
    "generalised": "S. Weerahandi 1993, Generalized confidence intervals, JASA 88; the chi-square distribution of few "
    "seeds' mean square as in the Behrens-Fisher problem, R. A. Fisher 1935, Annals of Eugenics 6",
    "clusters": "K.-Y. Liang and S. L. Zeger 1986, Longitudinal data analysis using generalized linear models, "
    "Biometrika 73",
    "evals": "E. Miller 2024, Adding error bars to evals, arXiv 2411.00640",
    "holm": "S. Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of "
    "Statistics 6",
    "harness": "Gao et al., The Language Model Evaluation Harness, the software lm-eval, doi 10.5281/zenodo.5371628",
    "math-verify": "Kydlíček, Math-Verify, the software",
}

SELECTORS = {
    "bridge": ("bridge", "typiclust"), "deita": ("deita",), "dpp": ("dpp",), "entropy": ("uncertainty",),
    "k_center": ("gonzalez", "core-set"), "k_means": ("k-means",), "max_herding": ("herding",), "random": (),
    "rds": ("rds",), "reason1k": ("reasonbridge", "s1"), "stratified": ("neyman",), "typical": ("typiclust",),
}  # fmt: skip
SIGNALS = {
    "answer_entropy": ("uncertainty", "self-consistency"), "draft_entropy": ("forks",),
    "draft_top_entropy": ("forks",), "gold_perplexity": ("pruning-text",), "ifd": ("ifd", "superfiltering"),
    "prompt_tokens": ("long",), "sampled_disagreement": ("self-consistency", "active-prompt"),
    "sampled_entropy": ("self-consistency", "active-prompt"),
}  # fmt: skip
EMBEDDERS = {"sentence-transformers": ("sentence-bert",), "model2vec": ("model2vec",)}
ADAPTERS = {"lora": ("lora",), "reasoning-sparse": ("reasonbridge", "shira")}
PHASES = {
    "heal": ("minitron", "layers"), "label_after": ("label-after",), "mix": ("mix",), "multi_task": ("step-by-step",),
    "distil": ("distillation", "gold"), "on_policy": ("gkd", "minillm", "gold"),
}  # fmt: skip
ORDERS = {"easy_first": ("curriculum", "self-paced")}
# What a table of accuracies and paired differences on one set of questions rests on.
TESTS = {
    "Intervals of accuracies": ("wilson",),
    "Intervals of paired differences": ("newcombe",),
    "Test of a paired difference": ("mcnemar",),
    "Difference that would show reliably": ("connor",),
}
# What it rests on where questions share a context.
CLUSTERED = {"Errors clustered by the context that questions share": ("clusters", "evals")}


@dataclass(frozen=True)
class Cited:
    """A method as its user names it, and the works that it comes from."""

    method: str
    works: list[str]


def cited(used: Iterable[tuple[str, Iterable[str]]]) -> list[Cited]:
    """Methods with the works of their keys in ``WORKS``; those without any, and second mentions, are left out."""
    found = {method: [WORKS[key] for key in keys] for method, keys in used}
    return [Cited(method, works) for method, works in found.items() if works]


def of_stage(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    """The methods that a finished stage used, by its name and recorded settings, with the keys of their works."""
    yield from _of_data(settings.get("data") or {})
    yield from _of_selection(settings.get("score") or {}, settings.get("select") or {})
    yield from _of_assistant(name, settings)
    yield from _of_student(settings.get("student") or {})
    tutor = settings.get("tutor") or {}
    yield from _of_guide(settings.get("guide") or tutor.get("guide") or {})
    if name.startswith("harness/"):
        yield "Standard benchmarks", ("harness",)


def _of_data(data: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    forms = data.get("answer") or []
    if "math" in ([forms] if isinstance(forms, str) else forms):
        yield "Answers compared as mathematics", ("math-verify",)
    if data:
        yield "Overlap of training and test", ("gpt-3",)


def _of_selection(score: Mapping[str, Any], select: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    for signal in score.get("difficulty") or {}:
        yield f"Signal {signal}", SIGNALS.get(signal, ())
    embedder = str(score.get("embedder") or "").partition(":")[0]
    yield f"Embedder {embedder}", EMBEDDERS.get(embedder, ())
    method = select.get("method")
    yield f"Selection {method}", SELECTORS.get(str(method), ())


def _of_assistant(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    learner, tutor = settings.get("assistant") or {}, settings.get("tutor") or {}
    if learner:
        yield "An assistant between expert and student", ("bridge",)
    if (settings.get("teacher") or {}).get("trace") == "hierarchical":
        yield "Traces with a strategy and steps", ("reasonbridge",)
    adapter = learner.get("adapter") or {}
    yield f"Adapter {adapter.get('kind')}", ADAPTERS.get(str(adapter.get("kind")), ())
    for option in ("rslora", "dora"):
        if (adapter.get("options") or {}).get(option):
            yield f"Adapter option {option}", (option,)
    if tutor.get("samples", 1) > 1 and {"correct", "best"} & set(tutor.get("filters") or ()):
        yield "Agreement of an assistant's samples", ("self-consistency",)
    if name.startswith("improve-"):
        yield "Self-improvement", ("star",)
    if name == "questions/answer":
        yield "New questions answered by agreement", ("self-consistency",)


def _of_student(student: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    for phase in student.get("curriculum") or []:
        named = phase if isinstance(phase, dict) else {"phase": phase}
        yield f"Curriculum phase {named['phase']}", PHASES.get(str(named["phase"]), ())
        yield f"Order {named.get('order')}", ORDERS.get(str(named.get("order")), ())
        if named["phase"] == "distil" and (beta := (named.get("options") or {}).get("beta")):
            yield f"Divergence with beta {beta:g}", ("minillm" if beta == 1 else "gkd",)
    shrink = student.get("shrink") or {}
    if shrink.get("layer_choice", "spaced") != "spaced":
        yield f"Layers chosen by {shrink['layer_choice']}", ("layers",)
    if shrink.get("mlp") or shrink.get("heads"):
        yield "Narrower layers", ("minitron",)


def _of_guide(guide: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    if guide:
        yield "Guidance while a model writes", ("reasonbridge",)
    if guide.get("floor") or guide.get("ceiling"):
        yield "Thinking made longer or shorter", ("s1",)
    if guide.get("vote"):
        yield "Votes of several samples", ("self-consistency",)
