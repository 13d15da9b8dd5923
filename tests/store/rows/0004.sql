-- What a server on the fourth schema adds: itself, and a duty.

INSERT INTO process (id, role, host, kernel, version, schema, started_at, seen_at) VALUES
    ('w', 'serve', 'a', 'k', '0.1.0', 4, 1, 10);

INSERT INTO duty (name, holder, until) VALUES ('dispatch', 'w', 10);
