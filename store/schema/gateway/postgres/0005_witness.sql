-- +goose Up

-- The newest state of each other log that this node cosigned as a witness. The
-- next one must extend it, so it is stored before the cosignature leaves.
CREATE TABLE cosigned (
  origin        TEXT COLLATE "C" PRIMARY KEY,
  origin_digest BYTEA NOT NULL UNIQUE CHECK (length(origin_digest) = 32), -- SHA-256 of the origin: its address
  node          TEXT COLLATE "C" NOT NULL,
  size          BIGINT NOT NULL CHECK (size >= 0),
  root          BYTEA NOT NULL CHECK (length(root) = 32),
  note          TEXT NOT NULL,   -- with the log's own signatures alone
  lines         TEXT NOT NULL,   -- this node's cosignature of it
  cosigned_us   BIGINT NOT NULL -- the time in the cosignature
);

-- Cosignatures of this node's own checkpoints, the first one of each witness. The
-- root stands in the key because a log that follows a lost one begins with small
-- sizes again.
CREATE TABLE cosignature (
  size       BIGINT NOT NULL,
  root       BYTEA NOT NULL CHECK (length(root) = 32),
  witness    TEXT COLLATE "C" NOT NULL,    -- the node that cosigned
  lines      TEXT NOT NULL,    -- its two lines below the note
  claimed_us BIGINT NOT NULL, -- the time in them, by its own clock
  stored_us  BIGINT NOT NULL,
  PRIMARY KEY (size, root, witness)
);
CREATE INDEX cosignature_of ON cosignature (witness, size);

-- The largest state of each other log with which every state of it that was
-- compared so far was found consistent.
CREATE TABLE followed (
  origin      TEXT COLLATE "C" PRIMARY KEY,
  node        TEXT COLLATE "C" NOT NULL,
  size        BIGINT NOT NULL CHECK (size >= 0),
  root        BYTEA NOT NULL CHECK (length(root) = 32),
  note        TEXT NOT NULL,
  followed_us BIGINT NOT NULL
);

-- States of other logs that this node was shown and has not compared yet with
-- the one above: in hellos, proofs and submissions. They outlive a restart.
CREATE TABLE sighting (
  origin  TEXT COLLATE "C" NOT NULL,
  size    BIGINT NOT NULL CHECK (size >= 0),
  root    BYTEA NOT NULL CHECK (length(root) = 32),
  node    TEXT COLLATE "C" NOT NULL,
  note    TEXT NOT NULL,
  seen_us BIGINT NOT NULL,
  PRIMARY KEY (origin, size, root)
);

-- Two states of one log, both signed by it, of which neither extends the other.
-- One such pair says all there is to say about a log, so there is one for each.
-- Kept for ever: it is evidence against whoever held the log's keys.
CREATE TABLE fork (
  origin     TEXT COLLATE "C" PRIMARY KEY,
  node       TEXT COLLATE "C" NOT NULL,
  size       BIGINT NOT NULL,
  root       BYTEA NOT NULL CHECK (length(root) = 32),
  note       TEXT NOT NULL,
  other_size BIGINT NOT NULL,
  other_root BYTEA NOT NULL CHECK (length(other_root) = 32),
  other_note TEXT NOT NULL,
  found_us   BIGINT NOT NULL
);
