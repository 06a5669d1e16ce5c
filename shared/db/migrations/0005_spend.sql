-- What providers cost: one row for each fine-tune (reserved by its estimate, then booked) and each paid completion.

CREATE TABLE spend (
    reference   text COLLATE "C" PRIMARY KEY,     -- what is paid: a run's or a completion's id; the same is paid once
    kind        text NOT NULL CHECK (kind IN ('reserved', 'booked')),
    provider    text NOT NULL,
    model       text NOT NULL,
    purpose     text NOT NULL,
    job_id      text COLLATE "C",                 -- no foreign key: money outlives its job's record
    tokens_in   bigint NOT NULL DEFAULT 0 CHECK (tokens_in >= 0),
    tokens_out  bigint NOT NULL DEFAULT 0 CHECK (tokens_out >= 0),
    usd         numeric(16, 8) NOT NULL CHECK (usd >= 0),
    at          timestamptz NOT NULL DEFAULT now()    -- decides the month, and stays when a reservation is booked
);
CREATE INDEX spend_at ON spend (at DESC, reference DESC);
CREATE INDEX spend_job_id ON spend (job_id) WHERE job_id IS NOT NULL;

-- The sums, so that asking whether the month's budget is used up costs the same however much was booked. The row of a
-- month is also its lock: whoever reserves holds it, so two reservations cannot both take what is left.
CREATE TABLE spend_months (
    month       date PRIMARY KEY,                 -- its first day, in UTC
    reserved    numeric(16, 8) NOT NULL DEFAULT 0,
    booked      numeric(16, 8) NOT NULL DEFAULT 0,
    entries     bigint NOT NULL DEFAULT 0
);

CREATE FUNCTION sum_spend() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer;
    entry spend;
BEGIN
    FOREACH sign IN ARRAY ARRAY[-1, 1] LOOP
        CONTINUE WHEN (sign = -1 AND TG_OP = 'INSERT') OR (sign = 1 AND TG_OP = 'DELETE');
        entry := CASE sign WHEN -1 THEN OLD ELSE NEW END;
        INSERT INTO spend_months AS m (month, reserved, booked, entries)
        VALUES (
            date_trunc('month', entry.at AT TIME ZONE 'UTC')::date,
            CASE entry.kind WHEN 'reserved' THEN sign * entry.usd ELSE 0 END,
            CASE entry.kind WHEN 'booked' THEN sign * entry.usd ELSE 0 END,
            sign
        )
        ON CONFLICT (month) DO UPDATE
        SET reserved = m.reserved + excluded.reserved,
            booked = m.booked + excluded.booked,
            entries = m.entries + excluded.entries;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER spend_sums AFTER INSERT OR UPDATE OR DELETE ON spend
    FOR EACH ROW EXECUTE FUNCTION sum_spend();
