-- Repositories whose branches are to be compared with their bases.

-- asked counts how often since the last comparison: one that was asked for again while it was made is
-- made once more.
CREATE TABLE base (
    repo     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    asked    BIGINT NOT NULL DEFAULT 1,
    attempts BIGINT NOT NULL DEFAULT 0,
    due      BIGINT NOT NULL
);

CREATE INDEX base_due ON base (due, repo);
