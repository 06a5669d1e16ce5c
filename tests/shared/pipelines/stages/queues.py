"""Rows that wait for a decision, as many as are asked for."""

import json
from typing import Final

from shared.pipelines.stages.contracts import as_json
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.sample import run_through
from tests.shared.pipelines.stages.conformance import BUSINESS
from tests.support.full_queues import ID, Fill, N

TABLES: Final = "stage_rows"

_ROW: Final = next(iter(run_through(BUSINESS, deterministic)))
FILL: Final[Fill] = {
    "rows": (
        f"""
INSERT INTO stage_rows (id, stage, group_key, input, output, source)
SELECT {ID.format("ex")}, 'quant_signals', n::text, '{json.dumps(as_json(_ROW.input))}',
       '{json.dumps(as_json(_ROW.output))}'::jsonb
           || jsonb_build_object('confidence', (ARRAY['low', 'medium', 'high'])[1 + mod(n, 3)]), 'import' {N}
""",
    ),
}
