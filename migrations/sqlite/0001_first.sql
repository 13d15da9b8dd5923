-- Deliveries, tasks, jobs by lane, the journal, the outbox and the audit trail.
--
-- Ids are TEXT, times are milliseconds since 1970, documents are JSON as TEXT. Rows that are done
-- are in no index that a loop of the server reads, so the loops do not slow down as history grows.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- How many jobs of one repository run at once; new lanes start with it.
INSERT INTO meta (key, value) VALUES ('lane_limit', '1');

-- seq is the order of arrival. A number can come back only when everything behind it is deleted,
-- so the order of what is there never changes.
CREATE TABLE delivery (
    seq         INTEGER NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    event       TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'parked')),
    note        TEXT    NOT NULL DEFAULT '',
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 1000000),
    not_before  INTEGER,           -- NULL: never put off
    thread      TEXT,              -- known once it was put off
    body        BLOB    NOT NULL   -- last, so that the rest is read without it
) STRICT;

CREATE INDEX delivery_pending ON delivery (not_before, seq) WHERE state = 'pending';
CREATE INDEX delivery_held ON delivery (thread, seq) WHERE state = 'pending' AND thread IS NOT NULL;
CREATE INDEX delivery_parked ON delivery (state, seq) WHERE state = 'parked';
CREATE INDEX delivery_done ON delivery (received_at) WHERE state = 'done';

CREATE TABLE task (
    id           TEXT    NOT NULL PRIMARY KEY,
    thread       TEXT    NOT NULL,
    ordinal      INTEGER NOT NULL,
    repo         TEXT    NOT NULL,
    installation TEXT    NOT NULL,
    pull         TEXT,
    over         INTEGER NOT NULL CHECK (over IN (0, 1)),
    version      INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    task         TEXT    NOT NULL,
    UNIQUE (thread, ordinal)
) STRICT;

-- At most one open task a thread.
CREATE UNIQUE INDEX task_open ON task (thread) WHERE over = 0;
CREATE INDEX task_open_repo ON task (repo, pull, updated_at) WHERE over = 0;
CREATE INDEX task_open_installation ON task (installation) WHERE over = 0;
CREATE INDEX task_open_updated ON task (updated_at, id) WHERE over = 0;
CREATE INDEX task_updated ON task (updated_at, id);

-- A lane is a repository. ready counts its jobs in state 'ready', running those in 'running'; turn
-- orders the lanes that wait.
CREATE TABLE lane (
    repo        TEXT    NOT NULL PRIMARY KEY,
    running     INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    max_running INTEGER NOT NULL,
    ready       INTEGER NOT NULL DEFAULT 0 CHECK (ready >= 0),
    turn        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX lane_turn ON lane (turn);
CREATE INDEX lane_open ON lane (turn, repo) WHERE ready > 0 AND running < max_running;

-- A queued job is 'waiting' for its time or 'ready' to be leased.
CREATE TABLE job (
    seq         INTEGER NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    task        TEXT    NOT NULL REFERENCES task (id),
    repo        TEXT    NOT NULL REFERENCES lane (repo),
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'ready', 'running', 'over')),
    queued_at   INTEGER NOT NULL,
    not_before  INTEGER NOT NULL,
    attempt     INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 1000000),
    worker      TEXT,
    lease_until INTEGER,
    cancelled   INTEGER NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1)),
    note        TEXT    NOT NULL DEFAULT '',
    work        TEXT    NOT NULL
) STRICT;

-- At most one live job a task.
CREATE UNIQUE INDEX job_live ON job (task) WHERE state <> 'over';
CREATE INDEX job_task ON job (task, seq);
CREATE INDEX job_ready ON job (repo, seq) WHERE state = 'ready';
CREATE INDEX job_waiting ON job (not_before) WHERE state = 'waiting';
CREATE INDEX job_running ON job (lease_until) WHERE state = 'running';

CREATE TABLE journal (
    seq     INTEGER NOT NULL PRIMARY KEY,
    job     TEXT    NOT NULL REFERENCES job (id),
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    entry   TEXT    NOT NULL
) STRICT;

CREATE INDEX journal_job ON journal (job, seq);

-- seq orders the unsent effects of one thread. due is set on one row a thread, the one that may be
-- given out next or is given out: the time from which it may be (again).
CREATE TABLE outbox (
    key              TEXT    NOT NULL PRIMARY KEY,
    thread           TEXT    NOT NULL,
    seq              INTEGER NOT NULL,
    task             TEXT,
    repo             TEXT    NOT NULL,
    repo_document    TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    effect           TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('unsent', 'sent', 'parked', 'dropped')),
    version          INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 1000000),
    earlier_attempts INTEGER NOT NULL DEFAULT 0 CHECK (earlier_attempts BETWEEN 0 AND 1000000000),
    recorded_at      INTEGER NOT NULL,
    not_before       INTEGER NOT NULL,
    due              INTEGER,
    lease_until      INTEGER,
    lease_version    INTEGER,
    lease_attempt    INTEGER,
    sent             TEXT,
    note             TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX outbox_order ON outbox (thread, seq) WHERE state = 'unsent';
CREATE UNIQUE INDEX outbox_turn ON outbox (thread) WHERE due IS NOT NULL;
CREATE INDEX outbox_due ON outbox (due) WHERE due IS NOT NULL;
CREATE INDEX outbox_task ON outbox (task) WHERE state = 'unsent';
CREATE INDEX outbox_repo ON outbox (repo) WHERE state = 'unsent';
CREATE INDEX outbox_parked ON outbox (state) WHERE state = 'parked';

CREATE TABLE audit (
    seq    INTEGER NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    thread TEXT,
    what   TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_thread ON audit (thread, seq);
