-- A worker that is silent for longer than its lease is declared lost, and keeps its row until none of its jobs is in progress: one
-- that a transaction of it still has in hand, or that it was claiming at that moment, is not a job of nobody.
ALTER TABLE jobs.workers ADD COLUMN lost_at timestamptz;
