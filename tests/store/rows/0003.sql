-- What a server on the third schema adds: an effect that is on its way, by a worker that is gone.

INSERT INTO outbox (key, thread, seq, task, repo, repo_document, kind, effect, state, version, attempt, recorded_at, not_before, due, lease_until, lease_version, lease_attempt, worker) VALUES
    ('other', '2#1', 1, '2-1-1', '2', '{"id":2,"name":{"owner":"octo","name":"r2"},"installation":100,"default_branch":"main","archived":false}', 'comment', '{"effect":"comment","body":"there"}', 'unsent', 1, 1, 0, 0, 120000, 120000, 1, 1, 'w');
