-- What the home page asks: alerts that are still open, and the latest of a surface, however much there is.

-- A person has seen to it. What is still so after a week is told again.
ALTER TABLE alerts ADD COLUMN closed_at timestamptz;
ALTER TABLE alerts ADD COLUMN closed_by text;
ALTER TABLE alerts ADD CHECK ((closed_at IS NULL) = (closed_by IS NULL));
CREATE INDEX alerts_open ON alerts (id DESC) WHERE closed_at IS NULL;
CREATE INDEX alerts_by_subject ON alerts (kind, subject);

CREATE INDEX models_by_surface ON models (pipeline, surface, id DESC);
