-- +goose Up

-- Versions of the federation's directory that this node adopted, by the statement in
-- which it says so; each is a leaf. The files themselves are in the folder
-- "federation" of the data directory. The leaf is no reference, because each row of
-- log_leaf would look for it here: "comity log check" does that.
CREATE TABLE directory_version (
  version    INTEGER PRIMARY KEY CHECK (version > 0),
  digest     BLOB NOT NULL CHECK (length(digest) = 32), -- as envelopes name it
  document   TEXT NOT NULL,                             -- comity/adoption/v1
  signature  TEXT NOT NULL,
  adopted_us INTEGER NOT NULL,
  leaf       INTEGER NOT NULL UNIQUE
) STRICT;

-- What envelopes of peers named as the directory: the newest version that each
-- named, and the first that was another than the one of that number here. That one
-- is kept for ever: with the statement above it proves that stewards signed two.
CREATE TABLE directory_named (
  node      TEXT NOT NULL,
  differs   INTEGER NOT NULL CHECK (differs IN (0, 1)),
  version   INTEGER NOT NULL,
  digest    BLOB NOT NULL CHECK (length(digest) = 32),
  envelope  TEXT NOT NULL,
  signature TEXT NOT NULL,
  named_us  INTEGER NOT NULL,
  PRIMARY KEY (node, differs)
) STRICT;

-- The record came out of the directory. Without one of its state that a person
-- confirmed by words, the state rests on the word of the federation's stewards.
ALTER TABLE record ADD COLUMN listed INTEGER NOT NULL DEFAULT 0 CHECK (listed IN (0, 1));
