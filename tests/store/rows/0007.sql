-- What a server on the seventh schema adds: the installations of the lanes, and a head start.

INSERT INTO installation (id, turn) VALUES ('101', 3), ('100', 0);

UPDATE lane SET installation = '101' WHERE repo = '1';
UPDATE lane SET installation = '100' WHERE repo = '2';

UPDATE job SET head_start = 3600000 WHERE id = '1-2-1.1';
