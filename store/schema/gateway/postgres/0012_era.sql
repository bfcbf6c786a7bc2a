-- +goose Up

-- How the logs of this node began that followed a lost one: the statement that
-- names the log before, signed by the node. It is the first leaf of its log.
CREATE TABLE era (
  number    BIGINT PRIMARY KEY CHECK (number > 1), -- of the log that it begins
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  leaf      BIGINT UNIQUE,   -- null: its own log was lost as well
  begun_us  BIGINT NOT NULL
);

-- What this node signed after the copy was made that it is a copy of, its peers
-- hold. recovering: nothing is accepted from the peer before all of it was
-- fetched; the two cursors say how far this node got.
ALTER TABLE peer ADD COLUMN recovering BIGINT NOT NULL DEFAULT 0 CHECK (recovering IN (0, 1));
ALTER TABLE peer ADD COLUMN received_cursor BIGINT NOT NULL DEFAULT 0; -- parcels of the peer that were received here
ALTER TABLE peer ADD COLUMN sent_cursor BIGINT NOT NULL DEFAULT 0;     -- parcels that were sent to it
