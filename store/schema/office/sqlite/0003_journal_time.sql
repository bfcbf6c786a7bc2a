-- +goose Up

-- Acts of a period are read from its beginning.
CREATE INDEX journal_time ON journal (at_us);
