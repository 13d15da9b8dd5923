-- What a server on the ninth schema adds: a suite of checks that waits since somebody has asked for it again.

INSERT INTO outbox (key, thread, seq, task, repo, repo_document, kind, effect, state, version, attempt, recorded_at, not_before, due) VALUES
    ('suite', '1#0', 1, NULL, '1', '{"id":1,"name":{"owner":"octo","name":"r1"},"installation":101,"default_branch":"main","archived":false}', 'conclude', '{"effect":"conclude","suite":7}', 'unsent', 1, 0, 0, 0, 0);
