-- Tasks on branches of people, and suites of checks that are concluded once more: earlier code would take
-- such a branch for one of ours, and delete it where policy says so.
UPDATE meta SET value = '9' WHERE key = 'oldest_code';
