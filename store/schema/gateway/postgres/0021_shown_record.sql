-- +goose Up

-- A record of this node's own state, newer than the newest that this database
-- holds, that a peer showed: it says that the database is an older copy, as
-- peer.shown does, and the next record is built upon it. null: nothing of the kind.
ALTER TABLE peer ADD COLUMN shown_record TEXT;
ALTER TABLE peer ADD COLUMN shown_record_signature TEXT;
