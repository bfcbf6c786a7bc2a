-- +goose Up

-- Keys of witnesses that a record marks compromised, by how the lines begin that
-- they sign: "— name " and the first letters of the key's id in base64. What they
-- cosigned is kept, and counts for nothing.
CREATE TABLE marked_witness (
  start     TEXT PRIMARY KEY,
  node      TEXT NOT NULL,
  marked_us BIGINT NOT NULL -- when the record was adopted
);
