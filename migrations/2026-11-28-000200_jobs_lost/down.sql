ALTER TABLE jobs.workers DROP COLUMN lost_at;
