-- For whoever looks: the latest answers of a pipeline, labels by the time of the decision, what was trained on a dataset.

-- Ids sort by the time at which they were made, so this is also the index of a surface's answers by time.
CREATE INDEX predictions_by_surface ON predictions (pipeline, surface, id);
CREATE INDEX models_by_dataset ON models (dataset_id, id DESC);
CREATE INDEX promotions_by_evaluation ON promotions (evaluation_id) WHERE evaluation_id IS NOT NULL;

CREATE INDEX ml_data_by_time ON ml_data (labelled_at DESC);
CREATE INDEX pairs_told_by_time ON pairs (at DESC) WHERE NOT conflict;
CREATE INDEX stage_rows_by_time ON stage_rows (stage, decided_at DESC) WHERE approved;
