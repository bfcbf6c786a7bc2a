-- +goose Up

-- Conventions as in the gateway's database: _us are Unix microseconds, _bytes
-- sizes, digests 32 raw bytes, signed documents their exact text, truth 0 or 1.

-- Whose office this is: exactly one row.
CREATE TABLE office (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  authority TEXT NOT NULL
) STRICT;

-- Sealed bytes that the office keeps, by their digest, as in the gateway.
CREATE TABLE sealed (
  digest      BLOB PRIMARY KEY CHECK (length(digest) = 32),
  size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
  inline      INTEGER NOT NULL CHECK (inline IN (0, 1)),
  body        BLOB CHECK (body IS NULL OR length(body) = size_bytes),
  stored_us   INTEGER NOT NULL,
  released_us INTEGER
) STRICT;
CREATE INDEX sealed_kept ON sealed (digest) WHERE released_us IS NULL;

-- One message of a case. Parcel ids are chosen by senders, so the name is
-- (sender, parcel). A sender has each sequence number of a case once (I2).
CREATE TABLE message (
  ordinal       INTEGER PRIMARY KEY,
  sender        TEXT NOT NULL,
  parcel        TEXT NOT NULL,
  direction     TEXT NOT NULL CHECK (direction IN ('sent', 'received')),
  case_id       TEXT NOT NULL,
  sequence      INTEGER NOT NULL,
  kind          TEXT NOT NULL,
  manifest      TEXT NOT NULL,
  manifest_signature TEXT NOT NULL,
  sealed_digest BLOB NOT NULL REFERENCES sealed (digest),
  sealed_recipients INTEGER NOT NULL,
  slip          BLOB,              -- key slip, itself sealed; null once destroyed
  priority      TEXT NOT NULL,
  test          INTEGER NOT NULL CHECK (test IN (0, 1)),
  created_us    INTEGER NOT NULL,  -- as the manifest says
  expires_us    INTEGER,           -- sent: until when delivery is tried
  stored_us     INTEGER NOT NULL,
  UNIQUE (sender, parcel),
  UNIQUE (case_id, sender, sequence)
) STRICT;
CREATE INDEX message_list ON message (direction, ordinal);
CREATE INDEX message_parcel ON message (parcel);

-- Further persons' signed consents, in the parcel's order.
CREATE TABLE approval (
  message   INTEGER NOT NULL REFERENCES message (ordinal),
  number    INTEGER NOT NULL,
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  PRIMARY KEY (message, number)
) STRICT;

-- The files that the manifest lists, in its order.
CREATE TABLE file (
  message    INTEGER NOT NULL REFERENCES message (ordinal),
  number     INTEGER NOT NULL,
  path       TEXT NOT NULL,
  name       TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  digest     BLOB NOT NULL CHECK (length(digest) = 32),
  pages      INTEGER,
  role       TEXT NOT NULL,
  PRIMARY KEY (message, number)
) STRICT;

-- The way of a message to one recipient. A received message has one row.
CREATE TABLE transmission (
  message            INTEGER NOT NULL REFERENCES message (ordinal),
  number             INTEGER NOT NULL,
  recipient          TEXT NOT NULL,
  recipient_key      BLOB NOT NULL CHECK (length(recipient_key) = 32),
  envelope           TEXT,     -- null: no gateway has taken the message yet
  envelope_signature TEXT,
  state              TEXT NOT NULL,
  updated_us         INTEGER,
  opened_us          INTEGER,  -- received: first opened
  acknowledged_us    INTEGER,  -- received: formally accepted or rejected
  PRIMARY KEY (message, number),
  UNIQUE (message, recipient)
) STRICT;
CREATE INDEX transmission_unsent ON transmission (message) WHERE envelope IS NULL;

-- Copies of all evidence, so that the office can show it without its gateway.
CREATE TABLE evidence (
  ordinal   INTEGER PRIMARY KEY,
  sender    TEXT NOT NULL,
  parcel    TEXT NOT NULL,
  recipient TEXT NOT NULL,
  event     TEXT NOT NULL,
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  event_us  INTEGER NOT NULL,
  stored_us INTEGER NOT NULL,
  own       INTEGER NOT NULL CHECK (own IN (0, 1)), -- this office signed it
  proof     TEXT,                                   -- null: not filed at a gateway yet
  UNIQUE (sender, parcel, recipient, event)
) STRICT;
CREATE INDEX evidence_unfiled ON evidence (ordinal) WHERE own = 1 AND proof IS NULL;

-- Manifests that arrived under an identity already used by another one.
CREATE TABLE contested (
  ordinal   INTEGER PRIMARY KEY,
  sender    TEXT NOT NULL,
  parcel    TEXT NOT NULL,
  case_id   TEXT NOT NULL,
  sequence  INTEGER NOT NULL,
  digest    BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  manifest  TEXT NOT NULL,
  manifest_signature TEXT NOT NULL,
  stored_us INTEGER NOT NULL
) STRICT;

-- Acts of the office, hash-chained.
CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
  previous BLOB NOT NULL CHECK (length(previous) = 32),
  at_us    INTEGER NOT NULL,
  entry    TEXT NOT NULL,
  digest   BLOB NOT NULL UNIQUE CHECK (length(digest) = 32)
) STRICT;
