"""The step ``export-dataset``: what people said of images as manifests, split by webcam (seed 003)."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from shared.contracts import Contract
from shared.csv_files import write_csv
from shared.db import images
from shared.db.images import LabelRow
from shared.errors import RefusedError
from shared.files import ResultFiles, publish_files
from shared.ids import made_at
from shared.pipeline import Done, Run
from shared.pipelines.images.contracts import Rated, TargetType
from shared.pipelines.images.manifest import COLUMNS, FULL, ManifestRow, file_of
from shared.pipelines.images.policy import policy
from shared.pipelines.images.splits import SPLITS, ImageSplit, image_split

LabelSource = Literal["manual_only", "public_aggregate"]

FOLDER: Final = "ml"
PLACE: Final = "artifacts/datasets"
"""Below ``ml``, with a folder for each export: as in the seed."""
_EVERY: Final = 1_000  # rows between two reports


class ExportDatasetParams(Contract):
    """Which labels to export, and how to split them."""

    label_source: LabelSource = Field(
        default="manual_only",
        description="Whose ratings count: `manual_only`, those of known raters; `public_aggregate`, everybody's alike.",
    )
    target_type: TargetType = Field(
        default="binary", description="What is to be learned: whether a picture is a good one, or how good it is."
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Decides which webcams are held out. Empty: the policy's, 20260212."
    )
    min_rating_count: int = Field(default=1, ge=1, le=1_000, description="Only images with so many ratings at least.")


class SplitFacts(Contract):
    """One manifest: its images, their webcams, and the mean of what is learned (binary: the share of good ones)."""

    images: int
    webcams: int
    mean_target: float | None


class ExportDatasetResult(Contract):
    """The manifests. The same labels, seed and options give the same lines, in a folder of the job's own time."""

    sentence: str
    label_source: LabelSource
    target_type: TargetType
    seed: int
    min_rating_count: int
    binary_threshold_stars: float
    splits: dict[str, SplitFacts]
    folder: str
    files: ResultFiles


def export_dataset(run: Run, params: ExportDatasetParams) -> Done:
    """Write the four manifests. Raises RefusedError when no image has enough ratings, or a split has no webcam."""
    seed = policy().seed if params.seed is None else params.seed
    facts = _Facts()
    path = run.workdir / FULL
    with run.training_data() as conn:
        found = images.labels(
            conn, public=params.label_source == "public_aggregate", min_ratings=params.min_rating_count
        )
        written = write_csv(path, COLUMNS, _counted(run, (_line(row, params, seed) for row in found), facts))
    if not written:
        raise _nothing(run, params)
    _require_webcams(facts)
    splits = {split: facts.of(split) for split in SPLITS}
    folder = f"{PLACE}/{made_at(run.job_id):%Y%m%d_%H%M%S}"
    files = publish_files(
        run.artifacts, {f"{folder}/{each.name}": each for each in [path, *_parts(run, path)]}, folder=FOLDER
    )
    told = ", ".join(f"{facts.images} of {facts.webcams} webcams in {split}" for split, facts in splits.items())
    result = ExportDatasetResult(
        sentence=f"{written:,} rated images: {told}.",
        label_source=params.label_source, target_type=params.target_type, seed=seed,
        min_rating_count=params.min_rating_count, binary_threshold_stars=1 + 4 * policy().binary_threshold,
        splits=splits, folder=f"{FOLDER}/{folder}", files=files,
    )  # fmt: skip
    return Done(result=result)


class _Facts:
    """Counts the rows that pass."""

    def __init__(self) -> None:
        self._images: Counter[str] = Counter()
        self._webcams: defaultdict[str, set[str]] = defaultdict(set)
        self._targets: defaultdict[str, float] = defaultdict(float)

    def note(self, row: ManifestRow) -> int:
        self._images[row.split] += 1
        self._webcams[row.split].add(row.webcam)
        self._targets[row.split] += row.target
        return self._images.total()

    def of(self, split: ImageSplit) -> SplitFacts:
        count = self._images[split]
        mean = round(self._targets[split] / count, 4) if count else None
        return SplitFacts(images=count, webcams=len(self._webcams[split]), mean_target=mean)


def _line(row: LabelRow, params: ExportDatasetParams, seed: int) -> ManifestRow:
    stars = float(row.stars)
    return ManifestRow(
        image=row.id, artifact=row.artifact, bytes=row.bytes, webcam=row.webcam_id, captured_at=row.captured_at,
        hour=row.hour, ratings=row.ratings, stars=stars, rated_at=row.rated_at, target_type=params.target_type,
        target=Rated(stars=stars, ratings=row.ratings).target(params.target_type),
        split=image_split(row.webcam_id, seed),
    )  # fmt: skip


def _counted(run: Run, rows: Iterator[ManifestRow], facts: _Facts) -> Iterator[dict[str, Any]]:
    for row in rows:
        if facts.note(row) % _EVERY == 0:
            run.report(0.5, "writing manifests")
        yield row.model_dump(mode="json")


def _parts(run: Run, full: Path) -> list[Path]:
    """Write the manifests of the splits: lines of the full one, byte by byte, by their last cell."""
    paths = {split: run.workdir / file_of(split) for split in SPLITS}
    files = {split: path.open("wb") for split, path in paths.items()}
    try:
        with full.open("rb") as lines:
            header = next(lines)
            for file in files.values():
                file.write(header)
            for line in lines:  # no cell of ours holds a line break
                files[_split_of_line(line)].write(line)
    finally:
        for file in files.values():
            file.close()
    return list(paths.values())


def _split_of_line(line: bytes) -> ImageSplit:
    last = line.rstrip().rpartition(b",")[2].decode()
    return next(split for split in SPLITS if split == last)


def _require_webcams(facts: _Facts) -> None:
    for split in SPLITS:
        if not facts.of(split).images:
            raise RefusedError(
                f"no webcam with rated images falls into the split {split}",
                advice="rate images of more webcams, or export with another --seed (then for good: old figures do not"
                " compare with new ones)",
                splits={each: facts.of(each).images for each in SPLITS},
            )


def _nothing(run: Run, params: ExportDatasetParams) -> RefusedError:
    with run.training_data() as conn:
        manual, everybody = images.count_rated(conn)
    return RefusedError(
        f"no image has {params.min_rating_count} ratings that count ({params.label_source}); {manual} images have"
        f" manual ratings, {everybody} have any",
        advice="import ratings (images.import-ratings), lower --min-rating-count, or let the public's count too"
        " (--label-source public_aggregate)",
    )
