-- The processes that share this store, and the duties that one of them has at a time.

-- id is the worker's name. kernel tells machines apart: it is the same for all containers of one.
-- schema is the newest that the process knows.
CREATE TABLE process (
    id         TEXT    NOT NULL PRIMARY KEY,
    role       TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    kernel     TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    schema     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT;

-- Who has a duty has it until then; whoever is the same holder has it still after a new start.
CREATE TABLE duty (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT;

-- The oldest schema whose code can still run on this one. A file that takes something away, or with
-- whose release documents are written that older code cannot read, raises it.
INSERT INTO meta (key, value) VALUES ('oldest_code', '1');
