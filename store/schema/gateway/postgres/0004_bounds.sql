-- +goose Up

-- Small and large parcels wait in lines of their own, and so do those of each
-- sending authority: nobody's bulk stands before anybody else's letter. The
-- index is walked from line to line, however many parcels each has.
ALTER TABLE outbound ADD COLUMN large BIGINT NOT NULL DEFAULT 0 CHECK (large IN (0, 1)); -- more sealed bytes than MaxSmall
UPDATE outbound SET large = 1 WHERE sealed_digest IN (SELECT digest FROM sealed WHERE size_bytes > 262144);
CREATE INDEX outbound_line ON outbound (peer, priority_rank, large, sender, next_us) WHERE next_us IS NOT NULL;
