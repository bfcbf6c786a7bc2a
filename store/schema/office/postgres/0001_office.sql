-- +goose Up

-- Conventions as in the gateway's database: _us are Unix microseconds, _bytes
-- sizes, digests 32 raw bytes, signed documents their exact text, truth 0 or 1.
-- Names sort by their bytes, as they do in SQLite.

-- Whose office this is: exactly one row.
CREATE TABLE office (
  one       BIGINT PRIMARY KEY CHECK (one = 1),
  authority TEXT NOT NULL
);

-- Sealed bytes that the office keeps, by their digest, as in the gateway.
CREATE TABLE sealed (
  digest      BYTEA PRIMARY KEY CHECK (length(digest) = 32),
  size_bytes  BIGINT NOT NULL CHECK (size_bytes >= 0),
  inline      BIGINT NOT NULL CHECK (inline IN (0, 1)),
  body        BYTEA CHECK (body IS NULL OR length(body) = size_bytes),
  stored_us   BIGINT NOT NULL,
  released_us BIGINT
);
CREATE INDEX sealed_kept ON sealed (digest) WHERE released_us IS NULL;

-- One message of a case. Parcel ids are chosen by senders, so the name is
-- (sender, parcel). A sender has each sequence number of a case once (I2).
CREATE TABLE message (
  ordinal       BIGINT PRIMARY KEY,
  sender        TEXT COLLATE "C" NOT NULL,
  parcel        TEXT COLLATE "C" NOT NULL,
  direction     TEXT NOT NULL CHECK (direction IN ('sent', 'received')),
  case_id       TEXT NOT NULL,
  sequence      BIGINT NOT NULL,
  kind          TEXT NOT NULL,
  manifest      TEXT NOT NULL,
  manifest_signature TEXT NOT NULL,
  sealed_digest BYTEA NOT NULL REFERENCES sealed (digest),
  sealed_recipients BIGINT NOT NULL,
  slip          BYTEA,              -- key slip, itself sealed; null once destroyed
  priority      TEXT NOT NULL,
  test          BIGINT NOT NULL CHECK (test IN (0, 1)),
  created_us    BIGINT NOT NULL,  -- as the manifest says
  expires_us    BIGINT,           -- sent: until when delivery is tried
  stored_us     BIGINT NOT NULL,
  UNIQUE (sender, parcel),
  UNIQUE (case_id, sender, sequence)
);
CREATE INDEX message_list ON message (direction, ordinal);
CREATE INDEX message_parcel ON message (parcel);

-- Further persons' signed consents, in the parcel's order.
CREATE TABLE approval (
  message   BIGINT NOT NULL REFERENCES message (ordinal),
  number    BIGINT NOT NULL,
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  PRIMARY KEY (message, number)
);

-- The files that the manifest lists, in its order.
CREATE TABLE file (
  message    BIGINT NOT NULL REFERENCES message (ordinal),
  number     BIGINT NOT NULL,
  path       TEXT NOT NULL,
  name       TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  digest     BYTEA NOT NULL CHECK (length(digest) = 32),
  pages      BIGINT,
  role       TEXT NOT NULL,
  PRIMARY KEY (message, number)
);

-- The way of a message to one recipient. A received message has one row.
CREATE TABLE transmission (
  message            BIGINT NOT NULL REFERENCES message (ordinal),
  number             BIGINT NOT NULL,
  recipient          TEXT COLLATE "C" NOT NULL,
  recipient_key      BYTEA NOT NULL CHECK (length(recipient_key) = 32),
  envelope           TEXT,     -- null: no gateway has taken the message yet
  envelope_signature TEXT,
  state              TEXT COLLATE "C" NOT NULL,
  updated_us         BIGINT,
  opened_us          BIGINT,  -- received: first opened
  acknowledged_us    BIGINT,  -- received: formally accepted or rejected
  PRIMARY KEY (message, number),
  UNIQUE (message, recipient)
);
CREATE INDEX transmission_unsent ON transmission (message) WHERE envelope IS NULL;

-- Copies of all evidence, so that the office can show it without its gateway.
CREATE TABLE evidence (
  ordinal   BIGINT PRIMARY KEY,
  sender    TEXT COLLATE "C" NOT NULL,
  parcel    TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  event     TEXT COLLATE "C" NOT NULL,
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  event_us  BIGINT NOT NULL,
  stored_us BIGINT NOT NULL,
  own       BIGINT NOT NULL CHECK (own IN (0, 1)), -- this office signed it
  proof     TEXT,                                   -- null: not filed at a gateway yet
  UNIQUE (sender, parcel, recipient, event)
);
CREATE INDEX evidence_unfiled ON evidence (ordinal) WHERE own = 1 AND proof IS NULL;

-- Manifests that arrived under an identity already used by another one.
CREATE TABLE contested (
  ordinal   BIGINT PRIMARY KEY,
  sender    TEXT COLLATE "C" NOT NULL,
  parcel    TEXT COLLATE "C" NOT NULL,
  case_id   TEXT NOT NULL,
  sequence  BIGINT NOT NULL,
  digest    BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
  manifest  TEXT NOT NULL,
  manifest_signature TEXT NOT NULL,
  stored_us BIGINT NOT NULL
);

-- Acts of the office, hash-chained.
CREATE TABLE journal (
  sequence BIGINT PRIMARY KEY CHECK (sequence > 0),
  previous BYTEA NOT NULL CHECK (length(previous) = 32),
  at_us    BIGINT NOT NULL,
  entry    TEXT NOT NULL,
  digest   BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32)
);
