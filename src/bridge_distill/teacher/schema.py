"""The tables of the store's file, as migrations: statements are appended, never edited.

The number of statements that a file has seen stands in it as ``user_version``.
"""

from __future__ import annotations

MIGRATIONS = [
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, time TEXT NOT NULL, scope TEXT NOT NULL, request_hash TEXT NOT NULL,
        model TEXT NOT NULL, price_input TEXT, price_output TEXT, price_source TEXT NOT NULL,
        worst_input_tokens INTEGER NOT NULL, worst_output_tokens INTEGER NOT NULL, worst_usd_micros INTEGER NOT NULL,
        queries INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        usd_micros INTEGER NOT NULL, outcome TEXT NOT NULL, note TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX attempts_of_scope ON attempts (scope, outcome)",
    """CREATE TABLE totals (
        scope TEXT PRIMARY KEY, queries INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, usd_micros INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE replies (
        request_hash TEXT PRIMARY KEY, time TEXT NOT NULL, attempt INTEGER NOT NULL REFERENCES attempts (id),
        request TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, usd_micros INTEGER NOT NULL
    ) STRICT""",
    # An attempt is charged to a run, to the run's study and to the store; a batch is one submission of many attempts.
    "ALTER TABLE attempts RENAME COLUMN scope TO run",
    "ALTER TABLE attempts ADD COLUMN study TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE attempts ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE attempts ADD COLUMN price_share TEXT NOT NULL DEFAULT '1'",
    """CREATE TABLE batches (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, time TEXT NOT NULL, provider TEXT NOT NULL,
        model TEXT NOT NULL, provider_id TEXT, state TEXT NOT NULL, note TEXT NOT NULL
    ) STRICT""",
    "ALTER TABLE attempts ADD COLUMN batch INTEGER REFERENCES batches (id)",
    # What was asked by open attempts whose replies the provider can give later: they must find their requests then.
    "CREATE TABLE recoverable (attempt INTEGER PRIMARY KEY REFERENCES attempts (id), request TEXT NOT NULL) STRICT",
    "DROP TABLE totals",
    """CREATE TABLE totals (
        run TEXT NOT NULL, study TEXT NOT NULL, queries INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, usd_micros INTEGER NOT NULL, PRIMARY KEY (run, study)
    ) STRICT, WITHOUT ROWID""",
    """INSERT INTO totals SELECT run, study, sum(queries), sum(input_tokens), sum(output_tokens), sum(usd_micros)
        FROM attempts GROUP BY run, study""",
    "CREATE INDEX attempts_under_way ON attempts (request_hash) WHERE outcome = 'reserved'",
    "CREATE INDEX attempts_of_batch ON attempts (batch) WHERE batch IS NOT NULL",
    "ALTER TABLE replies ADD COLUMN served_model TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE replies ADD COLUMN reply_id TEXT NOT NULL DEFAULT ''",
    # The store's own name is part of the tags under which providers keep replies.
    "CREATE TABLE store (name TEXT NOT NULL) STRICT",
    "INSERT INTO store VALUES (lower(hex(randomblob(6))))",
    """CREATE TABLE plans (
        run TEXT NOT NULL, digest TEXT NOT NULL, time TEXT NOT NULL, plan TEXT NOT NULL, PRIMARY KEY (run, digest)
    ) STRICT, WITHOUT ROWID""",
]
