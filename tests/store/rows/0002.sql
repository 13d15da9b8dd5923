-- What a server on the second schema adds: what a model call cost.

INSERT INTO model_call (id, at, job, endpoint, model, tokens, micros) VALUES
    ('call', 9, '1-1-1.1', 'main', 'large', '{"input":10,"cache_read":0,"cache_write":0,"output":0,"reasoning":0}', 3);

INSERT INTO spend (scope, micros) VALUES ('job:1-1-1.1', 3), ('server:0', 3);
