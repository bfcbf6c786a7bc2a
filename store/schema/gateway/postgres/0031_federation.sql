-- +goose Up

-- Versions of the federation's directory that this node adopted, by the statement in
-- which it says so; each is a leaf. The files themselves are in the folder
-- "federation" of the data directory. The leaf is no reference, because each row of
-- log_leaf would look for it here: "comity log check" does that.
CREATE TABLE directory_version (
  version    BIGINT PRIMARY KEY CHECK (version > 0),
  digest     BYTEA NOT NULL CHECK (length(digest) = 32), -- as envelopes name it
  document   TEXT NOT NULL,                             -- comity/adoption/v1
  signature  TEXT NOT NULL,
  adopted_us BIGINT NOT NULL,
  leaf       BIGINT NOT NULL UNIQUE
);

-- What envelopes of peers named as the directory: the newest version that each
-- named, and the first that was another than the one of that number here. That one
-- is kept for ever: with the statement above it proves that stewards signed two.
CREATE TABLE directory_named (
  node      TEXT COLLATE "C" NOT NULL,
  differs   BIGINT NOT NULL CHECK (differs IN (0, 1)),
  version   BIGINT NOT NULL,
  digest    BYTEA NOT NULL CHECK (length(digest) = 32),
  envelope  TEXT NOT NULL,
  signature TEXT NOT NULL,
  named_us  BIGINT NOT NULL,
  PRIMARY KEY (node, differs)
);

-- The record came out of the directory. Without one of its state that a person
-- confirmed by words, the state rests on the word of the federation's stewards.
ALTER TABLE record ADD COLUMN listed BIGINT NOT NULL DEFAULT 0 CHECK (listed IN (0, 1));
