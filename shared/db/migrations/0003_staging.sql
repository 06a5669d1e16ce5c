-- Where a running attempt puts rows before it may write them: one unlogged table for each attempt, named
-- {job id}_{attempt}, dropped in the transaction that records the job's success. What a killed attempt left behind is
-- dropped by the hourly sweep (db/staging.py).
CREATE SCHEMA staging;
