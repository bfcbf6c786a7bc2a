-- +goose Up

-- The newest state of each other log that this node cosigned as a witness. The
-- next one must extend it, so it is stored before the cosignature leaves.
CREATE TABLE cosigned (
  origin        TEXT PRIMARY KEY,
  origin_digest BLOB NOT NULL UNIQUE CHECK (length(origin_digest) = 32), -- SHA-256 of the origin: its address
  node          TEXT NOT NULL,
  size          INTEGER NOT NULL CHECK (size >= 0),
  root          BLOB NOT NULL CHECK (length(root) = 32),
  note          TEXT NOT NULL,   -- with the log's own signatures alone
  lines         TEXT NOT NULL,   -- this node's cosignature of it
  cosigned_us   INTEGER NOT NULL -- the time in the cosignature
) STRICT;

-- Cosignatures of this node's own checkpoints, the first one of each witness. The
-- root stands in the key because a log that follows a lost one begins with small
-- sizes again.
CREATE TABLE cosignature (
  size       INTEGER NOT NULL,
  root       BLOB NOT NULL CHECK (length(root) = 32),
  witness    TEXT NOT NULL,    -- the node that cosigned
  lines      TEXT NOT NULL,    -- its two lines below the note
  claimed_us INTEGER NOT NULL, -- the time in them, by its own clock
  stored_us  INTEGER NOT NULL,
  PRIMARY KEY (size, root, witness)
) STRICT;
CREATE INDEX cosignature_of ON cosignature (witness, size);

-- The largest state of each other log with which every state of it that was
-- compared so far was found consistent.
CREATE TABLE followed (
  origin      TEXT PRIMARY KEY,
  node        TEXT NOT NULL,
  size        INTEGER NOT NULL CHECK (size >= 0),
  root        BLOB NOT NULL CHECK (length(root) = 32),
  note        TEXT NOT NULL,
  followed_us INTEGER NOT NULL
) STRICT;

-- States of other logs that this node was shown and has not compared yet with
-- the one above: in hellos, proofs and submissions. They outlive a restart.
CREATE TABLE sighting (
  origin  TEXT NOT NULL,
  size    INTEGER NOT NULL CHECK (size >= 0),
  root    BLOB NOT NULL CHECK (length(root) = 32),
  node    TEXT NOT NULL,
  note    TEXT NOT NULL,
  seen_us INTEGER NOT NULL,
  PRIMARY KEY (origin, size, root)
) STRICT;

-- Two states of one log, both signed by it, of which neither extends the other.
-- One such pair says all there is to say about a log, so there is one for each.
-- Kept for ever: it is evidence against whoever held the log's keys.
CREATE TABLE fork (
  origin     TEXT PRIMARY KEY,
  node       TEXT NOT NULL,
  size       INTEGER NOT NULL,
  root       BLOB NOT NULL CHECK (length(root) = 32),
  note       TEXT NOT NULL,
  other_size INTEGER NOT NULL,
  other_root BLOB NOT NULL CHECK (length(other_root) = 32),
  other_note TEXT NOT NULL,
  found_us   INTEGER NOT NULL
) STRICT;
