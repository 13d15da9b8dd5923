-- What is set aside for model calls under way, so that a budget is one for all processes.

-- A call, the process that makes it, and until when that is believed without a word of it. scopes are
-- keys of spend, as JSON, in the order in which their rows are changed.
CREATE TABLE hold (
    id       TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    until    INTEGER NOT NULL,
    job      TEXT    NOT NULL,
    endpoint TEXT    NOT NULL,
    model    TEXT    NOT NULL,
    scopes   TEXT    NOT NULL,
    micros   INTEGER NOT NULL CHECK (micros >= 0)
) STRICT;

CREATE INDEX hold_until ON hold (until);

-- The sum of what is set aside in a scope.
ALTER TABLE spend ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0);

-- 1: nobody knows what the call cost, and it was charged all that was set aside for it.
ALTER TABLE model_call ADD COLUMN presumed INTEGER NOT NULL DEFAULT 0 CHECK (presumed IN (0, 1));
