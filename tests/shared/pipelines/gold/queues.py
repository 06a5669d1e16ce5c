"""Snapshots that wait for a conclusion, as many as are asked for."""

import json
from typing import Final

from tests.shared.pipelines.gold.conformance import SMALL
from tests.support.full_queues import ID, Fill, N

TABLES: Final = "ml.examples, ml.gold"

FILL: Final[Fill] = {
    "conclusions": (
        f"""
INSERT INTO ml.examples (id, snapshot, group_key, window_from, window_to, reports, doubt)
SELECT {ID.format("ex")}, '{json.dumps(SMALL)}', n::text, '2026-06-01', date '2026-06-07' + mod(n, 300), '',
       1 + mod(n, 3) {N}
""",
        f"""
INSERT INTO ml.gold (example_id, decision, boundary, why_this_now, one_sentence_pattern, confidence, evidence, origin,
                     status, labelled_by)
SELECT {ID.format("ex")}, 'Call.', 'No discount.', '', '', (ARRAY['low', 'medium', 'high'])[1 + mod(n, 3)], '[]',
       'machine', 'draft', 'rules' {N}
""",
    ),
}
