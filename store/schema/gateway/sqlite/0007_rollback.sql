-- +goose Up

-- What a peer showed of this node's own log that this database does not hold: a
-- checkpoint signed with the log's keys over more leaves, or over others. It says
-- that the database is an older copy, and nothing is signed over it any more.
-- null: nothing of the kind.
ALTER TABLE peer ADD COLUMN shown TEXT;
ALTER TABLE peer ADD COLUMN shown_us INTEGER; -- when
