"""The path of seed 002 that clusters all insights."""

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from api.deps import FrontDep, Submits
from api.insights import ended_or_none, submitted
from api.wire import json_response
from shared.contracts import Contract
from shared.pipelines.dedup.cluster_steps import ClusterParams, ClusterResult
from shared.pipelines.dedup.policy import Linkage

router = APIRouter(prefix="/api/admin/insights", tags=["dedup"])


class Clustered(Contract):
    """How many clusters wait for a decision now."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    success: bool = True
    job_id: str = Field(examples=["job_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"])
    insights: int = Field(examples=[1200])
    clusters: int = Field(examples=[87])
    new_clusters: int = Field(examples=[12])
    clustered_insights: int = Field(examples=[210])
    threshold: float = Field(examples=[0.8])
    linkage: Linkage
    message: str


@router.post(
    "/cluster-all",
    summary="Cluster all insights",
    response_model=Clustered,
    responses={202: {"description": "It takes longer: follow the job."}},
)
async def cluster_all(
    request: Request, who: Submits, front: FrontDep, body: ClusterParams | None = None
) -> Response:  # fmt: skip
    """Find insights that look alike, and put them into clusters for people to decide on. It needs no body.

    Raises ConflictError while insights are being clustered, and what the job failed with.
    """
    params = body or ClusterParams()
    job_id = await submitted(request, front, who, "dedup.cluster", params.model_dump())
    job = await ended_or_none(front, job_id)
    if job is None:
        answer = {"success": True, "jobId": job_id, "message": f"Clustering goes on. Follow it: /v1/jobs/{job_id}"}
        return json_response(answer, HTTPStatus.ACCEPTED, {"Location": f"/v1/jobs/{job_id}"})
    result = ClusterResult.model_validate(job.result)
    clustered = Clustered(
        job_id=job_id,
        insights=result.insights,
        clusters=result.clusters,
        new_clusters=result.new,
        clustered_insights=result.clustered_insights,
        threshold=result.threshold,
        linkage=result.linkage,
        message=_message(result),
    )
    return json_response(clustered.model_dump(by_alias=True))


def _message(result: ClusterResult) -> str:
    if not result.insights:
        return "There are no insights yet: ingest statements first."
    if not result.clusters:
        return f"No two of {result.insights:,} insights look alike, or people have decided on all that do."
    return (
        f"{result.clusters:,} clusters of {result.clustered_insights:,} insights wait for a decision:"
        " GET /v1/review/dedup/clusters."
    )
