"""The steps of images over their data: what they are called, where they run, and who may ask for them."""

from datetime import timedelta
from typing import Any, Final

from shared.contracts import Queue, Scope
from shared.pipeline import Step
from shared.pipelines.images.contracts import NAME
from shared.pipelines.images.export_dataset import ExportDatasetParams, export_dataset
from shared.pipelines.images.importing import ImportImagesParams, import_images
from shared.pipelines.images.ratings import ImportRatingsParams, import_ratings

DATA_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="import",
        summary="Import pictures from a zip, a folder or addresses; bad ones are listed.",
        queue=Queue.DB,
        params=ImportImagesParams,
        run=import_images,
        scope=Scope.REVIEW,  # labels may come with the pictures
        slice=timedelta(seconds=60),  # others have jobs on this queue too
    ),
    Step(
        pipeline=NAME,
        name="import-ratings",
        summary="Import what people said of images, all of it or nothing.",
        queue=Queue.DB,
        params=ImportRatingsParams,
        run=import_ratings,
        scope=Scope.REVIEW,
    ),
    Step(
        pipeline=NAME,
        name="export-dataset",
        summary="Write manifests of rated images, split by webcam: full, train, val and test.",
        queue=Queue.DB,
        params=ExportDatasetParams,
        run=export_dataset,
    ),
)
