-- +goose Up

-- The sending authority's withdrawal, exact text and signature; null: none.
-- Beside an outbound row that is queued it is pending: the peer is asked, and
-- nothing else is sent. Beside an inbound row it is why the envelope's key was
-- used up without its bytes (R-WDR-5).
ALTER TABLE outbound ADD COLUMN withdrawal TEXT;
ALTER TABLE outbound ADD COLUMN withdrawal_signature TEXT;
ALTER TABLE outbound ADD COLUMN withdrawn_us BIGINT; -- when it was stored
ALTER TABLE inbound ADD COLUMN withdrawal TEXT;
ALTER TABLE inbound ADD COLUMN withdrawal_signature TEXT;
