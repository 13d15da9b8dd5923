-- What model calls cost. A call is one row, so that recording it twice counts once; what was spent in
-- a scope is kept beside the calls, so that a budget is read without adding them up, and stays when
-- they are deleted.

CREATE TABLE model_call (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    job TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    tokens TEXT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros >= 0)
);

CREATE INDEX model_call_at ON model_call (at);

-- micros are millionths of a US dollar.
CREATE TABLE spend (
    scope TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    micros BIGINT NOT NULL CHECK (micros >= 0)
);
