"""Which requests a list of questions comes to, in the order in which the budget is spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge_distill import prompts, templates
from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.budget import Usage
from bridge_distill.teacher.providers import Provider, Request
from bridge_distill.teacher.store import identity, request_hash
from bridge_distill.teacher.structure import schema_of


@dataclass(frozen=True, slots=True)
class Job:
    """One sample wanted of one question; questions of the same wording share ``hash``, and so one reply."""

    question: Question
    request: Request
    identity: str
    hash: str


def jobs_of(teacher: Teacher, provider: Provider, questions: Iterable[Question]) -> list[Job]:
    """Every sample of the first question, then of the next.

    Raises ``UserError`` where ``teacher.structured`` asks for what the provider cannot give.
    """
    if teacher.structured and not provider.structured:
        raise UserError("teacher.structured", f"provider {teacher.provider} takes no schema", "set it to false")
    return [_job(teacher, provider, question, sample) for question in questions for sample in range(teacher.samples)]


def _job(teacher: Teacher, provider: Provider, question: Question, sample: int) -> Job:
    messages = messages_of(teacher, question)
    temperature = teacher.temperature if provider.takes_temperature else None
    schema = schema_of(question, teacher.trace) if teacher.structured else None
    template = templates.name_of(question.form, teacher.trace)
    request = Request(messages, teacher.max_output_tokens, temperature, sample, schema, template)
    name = identity(provider, request)
    return Job(question, request, name, request_hash(name))


def messages_of(teacher: Teacher, question: Question) -> list[dict[str, str]]:
    """The messages that a question comes to."""
    return prompts.teacher(question, teacher.max_words, teacher.structured, teacher.trace)


def worst_case(provider: Provider, request: Request) -> Usage:
    """The most that one attempt can be billed for."""
    return Usage(provider.worst_input_tokens(request.messages), request.max_output_tokens)
