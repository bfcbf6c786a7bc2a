-- +goose Up

-- The peer that first showed something of this node that was lost when the era began:
-- a later state of the log, a newer record, or evidence that was not here. null: nobody
-- has, so that the era began with new keys alone.
ALTER TABLE era ADD COLUMN shown_by TEXT;
