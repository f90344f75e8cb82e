-- The share of the account's tasks that fail by themselves.
ALTER TABLE accounts ADD COLUMN failure_rate REAL NOT NULL DEFAULT 0 CHECK (failure_rate BETWEEN 0 AND 1);
-- A reset reads it from the profile.
UPDATE accounts SET profile = json_set(profile, '$.failureRate', 0);
