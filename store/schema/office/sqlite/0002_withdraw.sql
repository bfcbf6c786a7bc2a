-- +goose Up

-- The office's own withdrawal of a sent message from one recipient, as it was
-- signed; null: none. It is stored with its journal entry before the gateway
-- hears of it, and handed over again until the gateway has taken it.
ALTER TABLE transmission ADD COLUMN withdrawal TEXT;
ALTER TABLE transmission ADD COLUMN withdrawal_signature TEXT;
ALTER TABLE transmission ADD COLUMN withdrawn_us INTEGER;        -- when it was signed and stored
ALTER TABLE transmission ADD COLUMN withdrawal_taken_us INTEGER; -- when the gateway had taken it; null: not yet
CREATE INDEX transmission_untaken ON transmission (message) WHERE withdrawal IS NOT NULL AND withdrawal_taken_us IS NULL;
