-- Who an effect was given out to, so that a worker that starts again knows what it held when it died.
-- NULL: nobody has it, or a version that did not note it gave it out.

ALTER TABLE outbox ADD COLUMN worker TEXT;
