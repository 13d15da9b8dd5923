-- Jobs whose time has come are made ready lane by lane.
CREATE INDEX job_waiting_lane ON job (repo, not_before) WHERE state = 'waiting';
