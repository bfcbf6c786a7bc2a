-- +goose Up

-- What "comity report exceptions" tells and nothing else kept before. All of it
-- is bounded: see the limits beside the statements that write it.

-- How far a peer's clock stood from ours, one row per peer and day (UTC); rows
-- older than about a year go.
CREATE TABLE peer_clock (
  node     TEXT COLLATE "C" NOT NULL,
  day      BIGINT NOT NULL,    -- since 1970-01-01
  least_us BIGINT NOT NULL,    -- its clock minus ours: the lowest of that day,
  most_us  BIGINT NOT NULL,    -- and the highest
  last_us  BIGINT NOT NULL,    -- the last one noted
  noted_us BIGINT NOT NULL,    -- and when
  PRIMARY KEY (node, day)
);

-- Acts of whoever runs the node, newest last; the oldest go first.
CREATE TABLE act (
  ordinal BIGINT PRIMARY KEY,
  at_us   BIGINT NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,        -- whom or what it was about; may be empty
  detail  TEXT NOT NULL
);
CREATE INDEX act_time ON act (at_us);

-- Over the whole life of a delivery; attempts begin anew when a peer shows up.
ALTER TABLE outbound ADD COLUMN failures BIGINT NOT NULL DEFAULT 0; -- attempts that ended without evidence
ALTER TABLE outbound ADD COLUMN breaks BIGINT NOT NULL DEFAULT 0;   -- of those, bodies that broke off on the way

-- What happened in a period is read from its beginning.
CREATE INDEX outbound_stored ON outbound (stored_us);
CREATE INDEX evidence_noted ON evidence (event, stored_us) WHERE event IN ('SubmissionRejection', 'RelayRejection', 'RelayFailure',
  'ContentConsignment', 'ContentHandoverFailure', 'ConsignmentRejection');
