-- +goose Up

-- Authorities that are not on the network, as somebody imported them from a public
-- directory. Nobody has signed them. One that a record lists as well is shown as
-- the record has it.
CREATE TABLE listing (
  authority   TEXT PRIMARY KEY,
  document    TEXT NOT NULL,     -- comity/listing/v1
  imported_us INTEGER NOT NULL
) STRICT;
