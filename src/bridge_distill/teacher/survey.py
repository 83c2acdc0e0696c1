"""How large the requests would be: of chosen questions, or of a pool from which none is chosen yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

from bridge_distill.config import Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.budget import Spend, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.expected import Expected, bytes_of, nominal_usage
from bridge_distill.teacher.jobs import jobs_of, messages_of, worst_case
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Provider, providers
from bridge_distill.teacher.store import ReplyStore

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Candidates:
    """The worst cases of requests that would be paid, in order, and how many replies the store has already.

    ``mean`` is the average worst case of the pool where nothing is chosen yet, and ``worst`` then the
    longest ones; ``whole`` is what the whole pool would nominally use.
    """

    worst: list[Usage]
    stored: int
    mean: Usage | None = None
    whole: Spend | None = None

    def likely(self, expected: Expected) -> Iterator[Usage]:
        """What each request is expected to use."""
        return map(expected.usage, self.worst) if self.mean is None else repeat(expected.usage(self.mean))


def chosen(teacher: Teacher, questions: Sequence[Question], database: Database | None) -> Candidates:
    """The requests of chosen questions, best first; questions of the same wording are asked once."""
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, questions)
    jobs = {job.hash: job for job in jobs_of(teacher, provider, questions)}
    stored = set(ReplyStore(database).get(jobs)) if database is not None else set()
    worst = [worst_case(provider, job.request) for key, job in jobs.items() if key not in stored]
    return Candidates(worst, len(stored))


def survey(
    teacher: Teacher, tariff: Tariff, pool: Iterable[Question], asked: int, shares: bool, database: Database | None
) -> Candidates:
    """The longest requests of a pool, ``asked`` questions' worth, read once and never held.

    What the whole pool would use is counted where ``shares`` of it are caps; the store is looked up only
    where it has a reply of this model at all.
    """
    member = providers.get(teacher.provider, "teacher.provider")
    sizes: Counter[int] = Counter()
    prompt_bytes: Counter[int] = Counter()
    stored, questions = 0, iter(pool)
    look = database is not None and _has_replies(database, member(teacher, []))
    while chunk := list(islice(questions, CHUNK)):
        provider = member(teacher, chunk)
        rendered = [messages_of(teacher, question) for question in chunk]
        if shares:
            prompt_bytes.update(map(bytes_of, rendered))
        if look and database is not None:
            known = _stored(teacher, provider, chunk, database)
            stored += len(known)
            rendered = [messages for index, messages in enumerate(rendered) if index not in known]
        sizes.update([provider.worst_input_tokens(messages) for messages in rendered])
    longest, whole = list(_longest(sizes, asked, teacher)), _whole(prompt_bytes, teacher, tariff)
    return Candidates(longest, stored * teacher.samples, _mean(sizes, teacher), whole)


def nominal(teacher: Teacher, tariff: Tariff, pool: Iterable[Question]) -> Spend:
    """What asking a whole pool would use by rule of thumb, whatever was seen: shares of a budget are shares of it."""
    rendered = (messages_of(teacher, question) for question in pool)
    return _whole(Counter(map(bytes_of, rendered)), teacher, tariff)


def _whole(prompt_bytes: Counter[int], teacher: Teacher, tariff: Tariff) -> Spend:
    total = Spend()
    for size, count in prompt_bytes.items():
        usage, many = nominal_usage(teacher, size), count * teacher.samples
        total += Spend(many, many * usage.input_tokens, many * usage.output_tokens, many * tariff.micros(usage))
    return total


def _longest(sizes: Counter[int], asked: int, teacher: Teacher) -> Iterator[Usage]:
    for size in sorted(sizes, reverse=True):
        take = min(asked, sizes[size])
        asked -= take
        yield from repeat(Usage(size, teacher.max_output_tokens), take * teacher.samples)


def _mean(sizes: Counter[int], teacher: Teacher) -> Usage:
    number = max(sizes.total(), 1)
    return Usage(round(sum(size * count for size, count in sizes.items()) / number), teacher.max_output_tokens)


def _has_replies(database: Database, provider: Provider) -> bool:
    """Whether the store has any reply of this model."""
    query = "SELECT 1 FROM replies r JOIN attempts a ON a.id = r.attempt WHERE a.model = ? LIMIT 1"
    return bool(database.rows(query, provider.model))


def _stored(teacher: Teacher, provider: Provider, chunk: Sequence[Question], database: Database) -> set[int]:
    """The places of questions every sample of which has a reply."""
    jobs = jobs_of(teacher, provider, chunk)
    found = ReplyStore(database).get(job.hash for job in jobs)
    groups = [jobs[start : start + teacher.samples] for start in range(0, len(jobs), teacher.samples)]
    return {index for index, group in enumerate(groups) if all(job.hash in found for job in group)}
