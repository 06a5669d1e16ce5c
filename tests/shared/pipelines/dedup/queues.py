"""Clusters and merges that wait, as many as are asked for."""

from typing import Final

from tests.support.full_queues import ID, ODDS, Fill, N

TABLES: Final = "clusters, cluster_members, merged_statements, insights"

_INSIGHT: Final = ID.format("ins")
FILL: Final[Fill] = {
    "clusters": (
        f"INSERT INTO insights (id, statement) SELECT {_INSIGHT}, 'statement ' || n {N}",
        f"INSERT INTO insights (id, statement) SELECT 'inz_' || lpad(to_hex(n), 32, '0'), 'like ' || n {N}",
        f"""
INSERT INTO clusters (id, origin, embedding_model, linkage, threshold, similarity_min, similarity_mean, similarity_max,
                      merge_probability)
SELECT {ID.format("cl")}, 'clustering', 'made@1', 'complete', 0.8, 0.9, 0.7 + 0.3 * {ODDS}, 0.9,
       CASE WHEN mod(n, 2) = 0 THEN {ODDS} END {N}
""",
        f"""
INSERT INTO cluster_members (cluster_id, insight_id)
SELECT {ID.format("cl")}, insight {N}
CROSS JOIN LATERAL (VALUES ({_INSIGHT}), ('inz_' || lpad(to_hex(n), 32, '0'))) AS members (insight)
""",
    ),
    "merges": (
        "INSERT INTO insights (id, statement) VALUES ('ins_one', 'one') ON CONFLICT DO NOTHING",
        f"""
INSERT INTO merged_statements (id, insight_id, statement, embedding, embedding_model, confidence)
SELECT {_INSIGHT}, 'ins_one', 'statement ' || n, '[1,0]', 'made@1', {ODDS} {N}
""",
    ),
}
