-- The processes that share this store, and the duties that one of them has at a time.

-- id is the worker's name. kernel tells machines apart: it is the same for all containers of one.
-- schema is the newest that the process knows.
CREATE TABLE process (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    host TEXT NOT NULL,
    kernel TEXT NOT NULL,
    version TEXT NOT NULL,
    schema BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Who has a duty has it until then; whoever is the same holder has it still after a new start.
CREATE TABLE duty (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL
);

-- The oldest schema whose code can still run on this one. A file that takes something away, or with
-- whose release documents are written that older code cannot read, raises it.
INSERT INTO meta (key, value) VALUES ('oldest_code', '1');
