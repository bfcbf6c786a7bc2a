-- +goose Up

-- Cosigned checkpoints of other nodes' logs, under which those nodes proved
-- evidence anew. One note serves many proofs.
CREATE TABLE witnessed (
  ordinal   INTEGER PRIMARY KEY,
  node      TEXT NOT NULL,    -- whose log
  digest    BLOB NOT NULL UNIQUE CHECK (length(digest) = 32), -- of the note
  note      TEXT NOT NULL,    -- with its cosignatures
  stored_us INTEGER NOT NULL
) STRICT;

-- The proof of an evidence from the log of the other node of its transmission,
-- under a cosigned checkpoint. It stands beside the proof that came with the
-- evidence, which never changes. Of own evidence it shows that the other side
-- took it in.
CREATE TABLE peer_proof (
  evidence  INTEGER PRIMARY KEY REFERENCES evidence (ordinal),
  witnessed INTEGER NOT NULL REFERENCES witnessed (ordinal),
  leaf      INTEGER NOT NULL CHECK (leaf >= 0), -- in that log
  salt      BLOB NOT NULL CHECK (length(salt) = 16),
  path      BLOB NOT NULL     -- from the leaf up, 32 bytes a hash
) STRICT;

-- The other node of the transmission, in whose log the evidence stands or will,
-- and how many nodes cosigned what its peer_proof rests on.
ALTER TABLE evidence ADD COLUMN peer TEXT;
ALTER TABLE evidence ADD COLUMN witnesses INTEGER NOT NULL DEFAULT 0 CHECK (witnesses >= 0);
UPDATE evidence SET peer = coalesce(
  (SELECT o.peer FROM outbound o WHERE o.sender = evidence.sender AND o.parcel = evidence.parcel AND o.recipient = evidence.recipient),
  (SELECT i.peer FROM inbound i WHERE i.sender = evidence.sender AND i.parcel = evidence.parcel AND i.recipient = evidence.recipient))
WHERE own = 0;
CREATE INDEX evidence_witnesses ON evidence (peer, witnesses, ordinal) WHERE peer IS NOT NULL;
CREATE INDEX outbound_envelope ON outbound (envelope_digest);
