"""What the student learns follows its curriculum."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts, practice, prompts
from bridge_distill.answers import read_answer
from bridge_distill.config import Compute, Shrink, Student
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.models.generator import Asked, Decoding, open_generator
from bridge_distill.models.load import load_tokenizer, text_ids
from bridge_distill.records import EXPERT, Question, Rationale
from bridge_distill.student import curriculum_phases, teach_student
from bridge_distill.student.contract import Materials, Phase
from bridge_distill.student.curriculum import phases_of
from bridge_distill.student.instructions import read_instructions

MATERIALS = Materials(
    questions=practice.make("legal", 6, 0, 0.0),
    rationales=[
        Rationale(q.id, 0, EXPERT, practice.explain(q, phrasing=0, error=False), q.answer, True, "kept")
        for q in practice.make("legal", 6, 0, 0.0)
    ],
    instructions=[],
    tokens=lambda text: len(text.split()),
    seed=0,
)
SMALL = Shrink(layers=2, vocabulary="task", common_tokens=0)


def phase(settings: Any) -> Phase[Any]:
    """One phase of a curriculum as a run file would name it."""
    return phases_of(Student.model_validate({"curriculum": [settings]}))[0]


@pytest.mark.parametrize("name", curriculum_phases.names())
def test_every_phase_makes_examples_from_the_materials(name: str) -> None:
    made = phase(name).examples(MATERIALS)
    assert made
    assert all(example.prompt != "" and example.completion.strip() for example in made)


def test_the_warm_up_never_shows_a_gold_answer_beside_its_question() -> None:
    asked = {prompts.local(question) for question in MATERIALS.questions}
    for example in phase("instruct").examples(MATERIALS):
        assert example.prompt not in asked
        names_a_question = any(question.text in (example.prompt or "") for question in MATERIALS.questions)
        assert not (names_a_question and read_answer(example.completion, MATERIALS.questions[0]))


def test_rationales_are_asked_as_the_models_are_tested() -> None:
    made = phase("rationales").examples(MATERIALS)
    assert [example.prompt for example in made] == [prompts.local(question) for question in MATERIALS.questions]


def test_an_instruction_file_is_read_in_the_usual_spellings(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    rows = [{"question": "a", "answer": "b"}, {"instruction": "c", "output": "d"}, {"prompt": "e"}, ["f"]]
    path.write_text("\n".join([*map(json.dumps, rows), "{"]))
    examples, refused = read_instructions(path)
    assert [(example.prompt, example.completion) for example in examples] == [("a", "b"), ("c", "d")]
    assert [line.split(" ")[0] for line in refused] == ["i.jsonl:3", "i.jsonl:4", "i.jsonl:5"]


def test_what_an_instruction_is_given_stands_below_it(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    rows = [
        {"instruction": "Sort these.", "input": "b, a", "output": "a, b"},
        {"instruction": "Who wrote it?", "context": "Ada wrote it.", "response": "Ada."},
        {"instruction": "Greet.", "input": "", "output": "Hello."},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    prompts_of = [example.prompt for example in read_instructions(path)[0]]
    assert prompts_of == ["Sort these.\nb, a", "Who wrote it?\nAda wrote it.", "Greet."]


def test_a_row_may_hold_any_separator_of_lines_but_its_own(tmp_path: Path) -> None:
    path, text = tmp_path / "i.jsonl", "one\u2028two\u0085three"
    row = json.dumps({"prompt": "Say it.", "answer": text}, ensure_ascii=False)
    path.write_bytes(f"{row}\r\n\n{row}\n".encode())
    examples, refused = read_instructions(path)
    assert [example.completion for example in examples] == [text] * 2
    assert refused == []


@pytest.mark.parametrize("content", ["", "{}\n", None])
def test_an_instruction_file_without_instructions_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "i.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"student\.instructions: .*i\.jsonl"):
        read_instructions(path)


def taught(tiny_base: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    data, teach = folder / "data", folder / "teach"
    for made in (data, teach, folder / "out"):
        made.mkdir(parents=True)
    write_rows(data / artifacts.TRAIN, Question, MATERIALS.questions)
    write_rows(teach / artifacts.RATIONALES, Rationale, MATERIALS.rationales)
    plan = {"base": str(tiny_base), "shrink": Shrink(layers=2), "steps": 20, "batch": 2, **settings}
    student = Student.model_validate(plan)
    return teach_student(student, data, [teach], None, folder / "out", folder / "s", Compute(), 0)


def test_warm_up_takes_its_share_of_the_steps(tiny_base: Path, tmp_path: Path) -> None:
    steps = {each["name"]: each["steps"] for each in taught(tiny_base, tmp_path, warm_up=0.25)["phases"]}
    assert steps == {"instruct": 5, "rationales": 15}


def test_a_curriculum_without_warm_up_spends_every_step_on_rationales(tiny_base: Path, tmp_path: Path) -> None:
    figures = taught(tiny_base, tmp_path, curriculum=["rationales"])
    assert [(each["name"], each["steps"]) for each in figures["phases"]] == [("rationales", 20)]


def test_every_phase_says_what_it_read(tiny_base: Path, tmp_path: Path) -> None:
    curriculum = ["heal", {"phase": "labels", "order": "short_first"}, {"phase": "multi_task", "order": "easy_first"}]
    figures = taught(tiny_base, tmp_path, curriculum=curriculum)
    assert [each["steps"] for each in figures["phases"]] == [4, 8, 8]
    for each in figures["phases"]:
        assert each["tokens"] > each["steps"]
        assert each["losses"][-1][0] == each["steps"]
    assert figures["tokens"] == sum(each["tokens"] for each in figures["phases"])


def words(folder: Path, texts: list[str]) -> list[list[str]]:
    """The tokens that a model folder's tokenizer makes of some texts."""
    tokenizer = load_tokenizer(str(folder), "m")
    return [tokenizer.convert_ids_to_tokens(text_ids(tokenizer, text)) for text in texts]


def test_what_a_curriculum_teaches_keeps_its_tokens(tiny_base: Path, tmp_path: Path) -> None:
    curriculum = ["instruct", "multi_task"]
    taught(tiny_base, tmp_path, curriculum=curriculum, shrink=SMALL)
    made = [example for name in curriculum for example in phase(name).examples(MATERIALS)]
    texts = [str(text) for one in made for text in (one.prompt, one.completion)]
    assert words(tmp_path / "out" / artifacts.MODEL, texts) == words(tiny_base, texts)


def test_an_instruction_file_makes_no_vocabulary_larger(tiny_base: Path, tmp_path: Path) -> None:
    path, sizes = tmp_path / "i.jsonl", []
    path.write_text(json.dumps({"prompt": practice.make("legal", 9, 7, 0.0)[8].text, "answer": "neighbour"}))
    for name, file in (("without", None), ("with", str(path))):
        taught(tiny_base, tmp_path / name, steps=2, instructions=file, shrink=SMALL)
        sizes.append(len(load_tokenizer(str(tmp_path / name / "out" / artifacts.MODEL), "m")))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("curriculum", [["labels"], ["heal", "rationales"], ["instruct", "multi_task", "label_after"]])
def test_students_of_any_curriculum_read_the_same_number_of_tokens(
    tiny_base: Path, tmp_path: Path, curriculum: list[str]
) -> None:
    figures = taught(tiny_base, tmp_path, curriculum=curriculum, steps=None, tokens=4000, learning_rate=1e-3)
    assert figures["tokens"] == pytest.approx(4000, rel=0.1)


def test_a_student_of_labels_alone_needs_neither_teacher_nor_tutor(tiny_base: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_rows(data / artifacts.TRAIN, Question, MATERIALS.questions)
    settings = {"base": str(tiny_base), "shrink": Shrink(), "curriculum": ["labels"], "steps": 60, "batch": 2}
    student = Student.model_validate(settings)
    teach_student(student, data, [], None, out, tmp_path / "s", Compute(), 0)
    generator = open_generator(str(out / artifacts.MODEL), Compute(), "student")
    asked = [Asked(prompts.local(question)) for question in MATERIALS.questions]
    written = [found[0].text for found in generator.write(asked, Decoding(20), 0)]
    read = [read_answer(text, question) for text, question in zip(written, MATERIALS.questions, strict=True)]
    assert [len(text.splitlines()) for text in written] == [1] * len(written)
    assert None not in read


@pytest.mark.parametrize("lost", [["phase-1"], ["phase-1", "lesson-1/checkpoints/checkpoint-10"]])
def test_a_curriculum_that_stopped_anywhere_ends_with_the_same_bytes(
    tiny_base: Path, tmp_path: Path, lost: list[str]
) -> None:
    curriculum = ["heal", {"phase": "rationales", "order": "easy_first"}]
    settings = {"curriculum": curriculum, "warm_up": 0.5, "save_steps": 4}
    whole = taught(tiny_base, tmp_path / "whole", **settings)
    latency = {"shrunk": whole.pop("shrunk")}
    shutil.copytree(tmp_path / "whole/s", tmp_path / "again/s")
    for name in lost:
        shutil.rmtree(tmp_path / "again/s" / name)
    assert taught(tiny_base, tmp_path / "again", **settings) | latency == whole | latency
    bytes_of = [(tmp_path / name / "out/model/model.safetensors").read_bytes() for name in ("whole", "again")]
    assert bytes_of[0] == bytes_of[1]


def test_a_student_without_a_kept_rationale_says_so(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "teach").mkdir()
    write_rows(tmp_path / "data" / artifacts.TRAIN, Question, MATERIALS.questions)
    dropped = [replace(row, kept=False, reason="empty") for row in MATERIALS.rationales]
    write_rows(tmp_path / "teach" / artifacts.RATIONALES, Rationale, dropped)
    with pytest.raises(UserError, match="student: there is no kept rationale"):
        teach_student(Student(), tmp_path / "data", [tmp_path / "teach"], None, tmp_path, tmp_path, Compute(), 0)
