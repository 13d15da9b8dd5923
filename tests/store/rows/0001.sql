-- What a server on the first schema has left: deliveries in each state, a job that runs (its worker is
-- gone), one that is ready and one that waits, a journal, an effect that was sent and one that was not.

INSERT INTO delivery (seq, id, event, received_at, state, note, attempts, body) VALUES
    (1, 'pending', 'issues', 1, 'pending', '', 0, CAST('{"id":"pending"}' AS BLOB)),
    (2, 'done', 'issues', 2, 'done', 'decided', 0, CAST('{"id":"done"}' AS BLOB)),
    (3, 'parked', 'issues', 3, 'parked', 'unreadable', 0, CAST('{"id":"parked"}' AS BLOB));

INSERT INTO meta (key, value) VALUES ('note/reconcile', 'far');

INSERT INTO task (id, thread, ordinal, repo, installation, pull, over, version, updated_at, task) VALUES
    ('1-1-1', '1#1', 1, '1', '101', NULL, 0, 1, 0, '{"id":"1-1-1","repo":{"id":1,"name":{"owner":"octo","name":"r1"},"installation":101,"default_branch":"main","archived":false},"work":{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":1,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}},"state":"queued","jobs":1,"branch":"prova/1-typo","head":null,"pull":null,"last":null,"stopped_by":null}'),
    ('1-2-1', '1#2', 1, '1', '101', NULL, 0, 1, 0, '{"id":"1-2-1","repo":{"id":1,"name":{"owner":"octo","name":"r1"},"installation":101,"default_branch":"main","archived":false},"work":{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":2,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}},"state":"queued","jobs":1,"branch":"prova/1-typo","head":null,"pull":null,"last":null,"stopped_by":null}'),
    ('2-1-1', '2#1', 1, '2', '100', NULL, 0, 1, 0, '{"id":"2-1-1","repo":{"id":2,"name":{"owner":"octo","name":"r2"},"installation":100,"default_branch":"main","archived":false},"work":{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":1,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}},"state":"queued","jobs":1,"branch":"prova/1-typo","head":null,"pull":null,"last":null,"stopped_by":null}');

INSERT INTO lane (repo, running, max_running, ready, turn) VALUES
    ('1', 1, 1, 1, 3),
    ('2', 0, 1, 0, 0);

INSERT INTO job (seq, id, task, repo, state, queued_at, not_before, attempt, worker, lease_until, work) VALUES
    (1, '1-1-1.1', '1-1-1', '1', 'running', 0, 0, 1, 'w', 60000, '{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":1,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}}'),
    (2, '1-2-1.1', '1-2-1', '1', 'ready', 0, 0, 0, NULL, NULL, '{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":2,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}}'),
    (3, '2-1-1.1', '2-1-1', '2', 'waiting', 0, 5000, 0, NULL, NULL, '{"performers":{"one":"default_agent"},"request":{"by":{"login":"alice","id":7,"kind":"person"},"at":1,"text":"please","thread":{"number":1,"kind":"issue","title":"Fix the \"typo\" – всё","body":"b","author":"bob","insider":true,"labels":[],"open":true,"locked":false,"comments":0},"remarks":[],"linked":[],"place":null}}');

INSERT INTO journal (seq, job, attempt, at, entry) VALUES
    (1, '1-1-1.1', 1, 10, '{"step":"committed","commit":"c0ffee"}');

INSERT INTO outbox (key, thread, seq, task, repo, repo_document, kind, effect, state, version, attempt, recorded_at, not_before, due, sent) VALUES
    ('status', '1#1', 1, '1-1-1', '1', '{"id":1,"name":{"owner":"octo","name":"r1"},"installation":101,"default_branch":"main","archived":false}', 'comment', '{"effect":"comment","body":"hello"}', 'sent', 1, 1, 0, 0, NULL, '{"comment":5}'),
    ('second', '1#1', 2, '1-1-1', '1', '{"id":1,"name":{"owner":"octo","name":"r1"},"installation":101,"default_branch":"main","archived":false}', 'comment', '{"effect":"comment","body":"later"}', 'unsent', 1, 0, 0, 0, 0, NULL);

INSERT INTO audit (seq, at, actor, thread, what, detail) VALUES
    (1, 1, 'alice', '1#1', 'task.queued', '');
