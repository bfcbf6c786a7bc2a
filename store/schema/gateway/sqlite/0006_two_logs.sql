-- +goose Up

-- Evidence of others takes a leaf in the own log too, in the commit that takes
-- it in, so that each fact stands in two logs. Rows from before have none, and
-- get none: a leaf says when its document was first seen. So a leaf no longer
-- tells on which side an evidence was issued; own does.
ALTER TABLE evidence ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1)); -- issued on this side
UPDATE evidence SET own = 1 WHERE leaf IS NOT NULL;
