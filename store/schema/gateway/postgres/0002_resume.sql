-- +goose Up

-- Large bodies on their way in, from their first durable byte on: what a peer
-- may go on with after either side was ended. The bytes are the first
-- offset_bytes of the file partial/<digest>, which were synced before the row said
-- so; whatever follows them there is not trusted. A row leaves when its parcel
-- was decided or has expired.
CREATE TABLE upload (
  envelope_digest BYTEA PRIMARY KEY CHECK (length(envelope_digest) = 32), -- the upload's address (R-WIRE-4)
  peer            TEXT COLLATE "C" NOT NULL, -- node that offered it; its TLS key may change meanwhile
  packets         TEXT NOT NULL,    -- envelope and SubmissionAcceptance, as they were offered
  sealed_bytes    BIGINT NOT NULL CHECK (sealed_bytes >= 0),
  offset_bytes    BIGINT NOT NULL CHECK (offset_bytes BETWEEN 0 AND sealed_bytes),
  hash_state      BYTEA NOT NULL,    -- SHA-256 under way over those bytes
  hash_check      BYTEA NOT NULL CHECK (length(hash_check) = 32), -- of digest, offset and state: a damaged row is not gone on with
  begun_us        BIGINT NOT NULL,
  advanced_us     BIGINT NOT NULL,
  expires_us      BIGINT NOT NULL  -- as the envelope says
);
