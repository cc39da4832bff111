"""How the index came to its present shape: named steps, in order, each applied once and never changed afterwards."""

from __future__ import annotations

MIGRATIONS: dict[str, tuple[str, ...]] = {
    "0001_runs_and_their_metrics": (
        """
        CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            created REAL NOT NULL,
            record TEXT NOT NULL,
            folded TEXT NOT NULL,
            seq INTEGER NOT NULL,
            resumed INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE steps (
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time REAL NOT NULL,
            step INTEGER NOT NULL,
            epoch REAL NOT NULL,
            loss REAL,
            learning_rate REAL,
            grad_norm REAL,
            tokens INTEGER NOT NULL,
            tokens_per_second REAL,
            elapsed REAL NOT NULL,
            memory_bytes INTEGER NOT NULL,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE evaluations (
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time REAL NOT NULL,
            step INTEGER NOT NULL,
            loss REAL,
            tokens INTEGER NOT NULL,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
    ),
    "0002_sample_answers": (
        """
        CREATE TABLE answers (
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time REAL NOT NULL,
            step INTEGER NOT NULL,
            prompt TEXT NOT NULL,
            text TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            cut INTEGER NOT NULL,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
    ),
    "0003_moving_ranks": (
        """
        CREATE TABLE ranks (
            run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time REAL NOT NULL,
            step INTEGER NOT NULL,
            total INTEGER NOT NULL,
            ranks TEXT NOT NULL,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
    ),
}
