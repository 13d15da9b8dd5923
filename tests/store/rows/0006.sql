-- What a server on the sixth schema adds: a call under way when it died, and one that was under way at
-- the death before.

INSERT INTO hold (id, holder, until, job, endpoint, model, scopes, micros) VALUES
    ('under way', 'w', 20, '1-1-1.1', 'main', 'large', '["job:1-1-1.1","server:0"]', 40);

INSERT INTO model_call (id, at, job, endpoint, model, tokens, micros, presumed) VALUES
    ('presumed', 9, '1-1-1.1', 'main', 'large', '{"input":0,"cache_read":0,"cache_write":0,"output":0,"reasoning":0}', 7, 1);

UPDATE spend SET held = held + 40, micros = micros + 7 WHERE scope IN ('job:1-1-1.1', 'server:0');
