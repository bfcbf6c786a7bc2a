-- +goose Up

-- Conventions: times are Unix microseconds (_us), sizes are bytes (_bytes),
-- digests are 32 raw bytes, signed documents and signatures are their exact
-- text, truth is 0 or 1. Nothing here is ever deleted but the bodies of sealed
-- parcels. The tables, their columns and what they promise are those of the
-- SQLite file of this number; README.md in the folder of the store tells more.
-- Names sort by their bytes, as they do there. A table comes after those that
-- it refers to.

-- Sealed bytes, by their digest. Small ones are a column, so that a small
-- parcel is one commit and no file; larger ones are a file of that name.
CREATE TABLE sealed (
  digest      BYTEA PRIMARY KEY CHECK (length(digest) = 32),
  size_bytes  BIGINT NOT NULL CHECK (size_bytes >= 0),
  inline      BIGINT NOT NULL CHECK (inline IN (0, 1)),
  body        BYTEA CHECK (body IS NULL OR length(body) = size_bytes), -- null: in a file, or released
  stored_us   BIGINT NOT NULL,
  released_us BIGINT                                                 -- null: still kept
);
CREATE INDEX sealed_kept ON sealed (digest) WHERE released_us IS NULL;

-- The sending side: one parcel to one recipient. Its key (sender, parcel,
-- recipient) is kept for ever (R-XCH-4).
CREATE TABLE outbound (
  ordinal         BIGINT PRIMARY KEY,
  sender          TEXT COLLATE "C" NOT NULL,
  parcel          TEXT COLLATE "C" NOT NULL,
  recipient       TEXT COLLATE "C" NOT NULL,
  peer            TEXT COLLATE "C" NOT NULL,    -- node that hosts the recipient
  envelope        TEXT NOT NULL,
  envelope_signature TEXT NOT NULL,
  envelope_digest BYTEA NOT NULL CHECK (length(envelope_digest) = 32),
  sealed_digest   BYTEA NOT NULL REFERENCES sealed (digest),
  sealed_recipients BIGINT NOT NULL,
  priority        TEXT NOT NULL,
  priority_rank   BIGINT NOT NULL, -- 0 leaves first
  test            BIGINT NOT NULL CHECK (test IN (0, 1)),
  created_us      BIGINT NOT NULL,
  expires_us      BIGINT NOT NULL,
  stored_us       BIGINT NOT NULL,
  state           TEXT COLLATE "C" NOT NULL,    -- protocol/exchange
  offered         BIGINT NOT NULL CHECK (offered IN (0, 1)), -- the envelope may have left the node
  attempts        BIGINT NOT NULL,
  next_us         BIGINT,          -- null: nothing left to send
  last_error      TEXT NOT NULL,
  last_error_us   BIGINT,
  keeps           BIGINT NOT NULL CHECK (keeps IN (0, 1)),   -- needs its sealed bytes
  UNIQUE (sender, parcel, recipient)
);
CREATE INDEX outbound_due ON outbound (peer, priority_rank, next_us) WHERE next_us IS NOT NULL;
CREATE INDEX outbound_keeps ON outbound (sealed_digest) WHERE keeps = 1;

-- The receiving side, likewise. A refused envelope uses up its key as well.
CREATE TABLE inbound (
  ordinal         BIGINT PRIMARY KEY,
  sender          TEXT COLLATE "C" NOT NULL,
  parcel          TEXT COLLATE "C" NOT NULL,
  recipient       TEXT COLLATE "C" NOT NULL,
  peer            TEXT COLLATE "C" NOT NULL,    -- node that offered it
  envelope        TEXT NOT NULL,
  envelope_signature TEXT NOT NULL,
  envelope_digest BYTEA NOT NULL UNIQUE CHECK (length(envelope_digest) = 32), -- also the upload's address (R-WIRE-4)
  sealed_digest   BYTEA NOT NULL,    -- no reference: a refused envelope has no bytes here
  sealed_bytes    BIGINT NOT NULL,
  sealed_recipients BIGINT NOT NULL,
  priority        TEXT NOT NULL,
  priority_rank   BIGINT NOT NULL,
  test            BIGINT NOT NULL CHECK (test IN (0, 1)),
  created_us      BIGINT NOT NULL,
  expires_us      BIGINT NOT NULL,
  stored_us       BIGINT NOT NULL,
  state           TEXT COLLATE "C" NOT NULL,
  keeps           BIGINT NOT NULL CHECK (keeps IN (0, 1)),
  UNIQUE (sender, parcel, recipient)
);
CREATE INDEX inbound_waiting ON inbound (recipient, state, priority_rank, ordinal) WHERE keeps = 1;
CREATE INDEX inbound_keeps ON inbound (sealed_digest) WHERE keeps = 1;

-- One checkpoint per commit that appended leaves, signed inside that commit.
CREATE TABLE checkpoint (
  size      BIGINT PRIMARY KEY CHECK (size > 0),
  root      BYTEA NOT NULL CHECK (length(root) = 32),
  note      TEXT NOT NULL,
  signed_us BIGINT NOT NULL
);

-- The log. Leaf = SHA-256("comity/leaf/v1\n" || salt || document || signature).
CREATE TABLE log_leaf (
  leaf             BIGINT PRIMARY KEY CHECK (leaf >= 0),
  salt             BYTEA NOT NULL CHECK (length(salt) = 16),
  document_digest  BYTEA NOT NULL CHECK (length(document_digest) = 32),
  signature_digest BYTEA NOT NULL CHECK (length(signature_digest) = 32),
  checkpoint_size  BIGINT NOT NULL REFERENCES checkpoint (size) -- of its own commit (R-LOG-3)
);

-- Hashes of complete subtrees, at their stored index.
CREATE TABLE log_hash (
  position BIGINT PRIMARY KEY CHECK (position >= 0),
  hash     BYTEA NOT NULL CHECK (length(hash) = 32)
);

-- Every evidence about a transmission, own and others'. One per event: a
-- second, different one is equivocation (R-EVID-6). Own evidence has a leaf
-- and its proof is computed; foreign evidence has the proof it came with. Leaves
-- are appended at the end of the commit, hence the deferred reference. No other
-- reference may be deferred: while one is open, each insert into its parent
-- searches the child, and that needs an index on the child's column.
CREATE TABLE evidence (
  ordinal   BIGINT PRIMARY KEY,
  sender    TEXT COLLATE "C" NOT NULL,
  parcel    TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  event     TEXT COLLATE "C" NOT NULL,
  document  TEXT NOT NULL,
  signature TEXT NOT NULL,
  event_us  BIGINT NOT NULL,   -- as the document says
  stored_us BIGINT NOT NULL,
  leaf      BIGINT UNIQUE REFERENCES log_leaf (leaf) DEFERRABLE INITIALLY DEFERRED,
  proof     TEXT,
  taken_us  BIGINT,            -- when a peer's copy was taken
  feed_peer TEXT,               -- peer that reads it in its feed; the ordinal is the position
  UNIQUE (sender, parcel, recipient, event),
  CHECK (leaf IS NOT NULL OR taken_us IS NOT NULL)
);
CREATE INDEX evidence_feed ON evidence (feed_peer, ordinal) WHERE feed_peer IS NOT NULL;

-- Every version of every record ever adopted, own ones too; each is a leaf.
CREATE TABLE record (
  state      TEXT COLLATE "C" NOT NULL,
  sequence   BIGINT NOT NULL,
  node       TEXT COLLATE "C" NOT NULL,
  digest     BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
  document   TEXT NOT NULL,
  signature  TEXT NOT NULL,
  own        BIGINT NOT NULL CHECK (own IN (0, 1)),
  pinned     BIGINT NOT NULL CHECK (pinned IN (0, 1)), -- a person confirmed it by words
  adopted_us BIGINT NOT NULL,
  leaf       BIGINT NOT NULL UNIQUE REFERENCES log_leaf (leaf) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (state, sequence)
);

-- What is known of another node beside its record.
CREATE TABLE peer (
  node        TEXT COLLATE "C" PRIMARY KEY,
  feed_cursor BIGINT NOT NULL,  -- how far this node has read in its feed
  log_origin  TEXT,              -- its newest verified checkpoint
  log_size    BIGINT,
  log_root    BYTEA CHECK (log_root IS NULL OR length(log_root) = 32),
  checkpoint  TEXT,
  seen_us     BIGINT            -- when that checkpoint was stored
);
