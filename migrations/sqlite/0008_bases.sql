-- Repositories whose branches are to be compared with their bases.

-- asked counts how often since the last comparison: one that was asked for again while it was made is
-- made once more.
CREATE TABLE base (
    repo     TEXT    NOT NULL PRIMARY KEY,
    asked    INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    due      INTEGER NOT NULL
) STRICT;

CREATE INDEX base_due ON base (due, repo);
