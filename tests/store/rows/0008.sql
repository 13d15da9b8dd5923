-- What a server on the eighth schema adds: a repository whose branches are to be compared.

INSERT INTO base (repo, asked, attempts, due) VALUES ('1', 3, 1, 5);
