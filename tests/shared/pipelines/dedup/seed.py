"""What seed 002 documents, verbatim: its commands (to a front on port 3000) and its SQL."""

# fmt: off
# ruff: noqa: E501, W291

EXPORT_JSONL = r"""curl http://localhost:3000/api/admin/insights/export-training-data?format=openai_jsonl > training-data.jsonl
"""
EXPORT_JSON = r"""curl http://localhost:3000/api/admin/insights/export-training-data?format=json&stats=true > training-data.json
"""
FINE_TUNE = r"""curl -X POST http://localhost:3000/api/admin/insights/fine-tune-model \
  -H "Content-Type: application/json" \
  -d '{
    "baseModel": "gpt-4o-mini-2024-07-18"
  }'
"""
FINE_TUNE_STATUS = r"""curl "http://localhost:3000/api/admin/insights/fine-tune-model?jobId=ftjob-abc123..."
"""
MODEL_STATUS = r"""curl http://localhost:3000/api/admin/insights/model-status
"""
ACTIVATE = r"""curl -X POST http://localhost:3000/api/admin/insights/model-status \
  -H "Content-Type: application/json" \
  -d '{
    "modelId": "model-uuid-from-database",
    "action": "activate"
  }'
"""
ACCURACY = """-- Get accuracy for active model
SELECT 
  COUNT(*) as total_reviewed,
  SUM(CASE WHEN is_correct THEN 1 ELSE 0 END) as correct,
  ROUND(100.0 * SUM(CASE WHEN is_correct THEN 1 ELSE 0 END) / COUNT(*), 2) as accuracy_pct
FROM model_predictions
WHERE model_id = (SELECT id FROM deduplication_models WHERE is_active = true)
  AND actual_label IS NOT NULL;
"""
MISCLASSIFIED = """-- Find incorrect predictions
SELECT 
  mp.id,
  i1.statement as insight1,
  i2.statement as insight2,
  mp.prediction,
  mp.actual_label,
  mp.confidence,
  mp.similarity_score
FROM model_predictions mp
JOIN insights i1 ON mp.insight1_id = i1.id
JOIN insights i2 ON mp.insight2_id = i2.id
WHERE mp.model_id = (SELECT id FROM deduplication_models WHERE is_active = true)
  AND mp.is_correct = false
  AND mp.actual_label IS NOT NULL
ORDER BY mp.confidence DESC;
"""
