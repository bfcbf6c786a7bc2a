-- +goose Up

-- Parcels of which a peer holds something in this node's name that cannot be
-- verified here yet, for a reason on this side: the node's clock is behind, or the
-- record that it names was lost with the log. Their ids are used all the same, and
-- the peer is asked again.
CREATE TABLE doubt (
  peer      TEXT NOT NULL,
  sender    TEXT NOT NULL,
  parcel    TEXT NOT NULL,
  recipient TEXT NOT NULL,
  sent      BIGINT NOT NULL CHECK (sent IN (0, 1)), -- from here to the peer
  place     BIGINT NOT NULL, -- the position in the peer's list behind which the parcel stands
  noted_us  BIGINT NOT NULL,
  PRIMARY KEY (peer, sender, parcel, recipient)
);
