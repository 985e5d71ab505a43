-- The oldest binary that may run on this schema, named by a migration it must know. A migration that takes something
-- away (contracts) raises the floor in the same transaction; one that only adds (expands) leaves it.
CREATE TABLE kernel.compatibility (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    floor    text    NOT NULL CHECK (floor ~ '^[0-9]{14}$')
);
INSERT INTO kernel.compatibility (floor) VALUES ('20261122000110');
