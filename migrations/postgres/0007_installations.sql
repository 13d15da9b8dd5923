-- Installations take turns as repositories do, and a job may have a head start in its lane.

-- turn orders the installations that wait. '' stands for all lanes of which none is known.
CREATE TABLE installation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    turn BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX installation_turn ON installation (turn, id);

ALTER TABLE lane ADD COLUMN installation TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Only open tasks can have jobs that wait. A lane without one learns its installation with its next job.
UPDATE lane SET installation = COALESCE((
    SELECT installation FROM task WHERE task.repo = lane.repo AND over = 0
    ORDER BY updated_at DESC LIMIT 1
), '');

INSERT INTO installation (id, turn) SELECT installation, max(turn) FROM lane GROUP BY installation;
INSERT INTO installation (id) VALUES ('') ON CONFLICT (id) DO NOTHING;

-- lane_open and job_ready stay for the version before this one.
CREATE INDEX lane_open_of ON lane (installation, turn, repo) WHERE ready > 0 AND running < max_running;
CREATE INDEX lane_busy ON lane (installation, running) WHERE running > 0;

-- Milliseconds by which a job stands before its time of arrival.
ALTER TABLE job ADD COLUMN head_start BIGINT NOT NULL DEFAULT 0;

CREATE INDEX job_next ON job (repo, (queued_at - head_start), seq) WHERE state = 'ready';

-- How many jobs run at once of one installation, and of all. 0: as many as there are.
INSERT INTO meta (key, value) VALUES ('installation_limit', '0'), ('all_limit', '0');
