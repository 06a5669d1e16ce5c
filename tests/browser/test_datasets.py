"""Datasets in a real browser, frozen by a real worker: what is in, what changed, and who may read what."""

import re
from collections.abc import Mapping
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from shared.contracts import JobState
from tests.support.browser import Site, SiteProcess, accessible, on_a_phone
from tests.support.school import STUDENT, School

HOSTILE: Final = "<script>alert(1)</script>{{ 7 * 7 }}"
GONE, OTHER = f"ex_{0:032x}", f"ex_{1:032x}"


@pytest.fixture(scope="module")
def site_env() -> Mapping[str, str]:
    """The front and its worker know the student."""
    return {"TUNEYARD_PIPELINES": STUDENT}


@pytest.fixture(scope="module")
def frozen(site_process: SiteProcess) -> tuple[str, str]:
    """Two datasets: the second has 30 more rows, one row less, and another label of one."""
    school = School(site_process.database)
    school.label(100, by="Ada")
    worker = site_process.processes.worker("db", STUDENT_SKILL="60")
    with site_process.server.client(timeout=60) as api:

        def freeze() -> str:
            job = api.post("/v1/student/freeze", json={}, headers={"Prefer": "wait=60"}).json()
            assert job["state"] == JobState.SUCCEEDED, job
            return str(job["result"]["dataset_id"])

        first = freeze()
        school.label(30, start=100, by="Grace")
        with site_process.database.transaction() as conn:
            conn.execute("DELETE FROM ml_data WHERE id = %s", [GONE])
            conn.execute("UPDATE ml_data SET label = 'EASY', query = %s WHERE id = %s", [HOSTILE, OTHER])
        second = freeze()
    worker.kill()
    return first, second


def _ids(page: Page) -> list[str]:
    links = page.locator("table.rows tbody th a").all()
    return [(link.get_attribute("href") or "").rpartition("/")[2] for link in links]


def test_from_the_list_to_the_rows_of_a_dataset(site: Site, frozen: tuple[str, str]) -> None:
    page = site.visit("/datasets")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator(f"a[href='/datasets/{frozen[1]}']").click()
    expect(page.locator(".tile", has_text="Rows").locator("dd")).to_have_text("129")
    expect(page.locator("figure.chart")).to_contain_text("Label: share of each split")
    people = page.locator(".card", has=page.get_by_role("heading", name="Who labelled"))
    expect(people).to_contain_text(re.compile(r"Ada\s*import\s*99"))
    expect(people).to_contain_text(re.compile(r"Grace\s*import\s*30"))
    first = _ids(page)
    page.get_by_role("link", name="More rows").click()
    expect(page.locator("table.rows")).to_be_visible()
    second = _ids(page)
    assert len(first) == len(second) == 25
    assert first == sorted(first) < second == sorted(second)
    page.get_by_role("link", name="Test", exact=True).click()
    expect(page.locator("td[data-name=Split]").first).to_have_text("test")
    assert {cell.inner_text() for cell in page.locator("td[data-name=Split]").all()} == {"test"}


def test_a_hostile_text_is_a_text(site: Site, frozen: tuple[str, str]) -> None:
    page = site.visit(f"/datasets/{frozen[1]}?at={OTHER}")
    expect(page.locator("td[data-name=Input]").first).to_have_text(HOSTILE)


def test_texts_and_names_are_for_those_who_review(site: Site, frozen: tuple[str, str]) -> None:
    page = site.visit(f"/datasets/{frozen[1]}", scopes=["submit"], who="operator")
    expect(page.get_by_role("heading", name="Rows")).to_be_visible()
    expect(page.locator("td[data-name=Label]").first).to_be_visible()
    for hidden in ("Ada", "Grace", "question 2"):
        assert hidden not in page.content()
    accessible(page)
    seen = site.visit(f"/datasets/{frozen[1]}", scopes=["review"], who="reviewer").content()
    assert "Ada" in seen
    assert "question 2" in seen


def test_a_diff_tells_what_the_api_tells(site: Site, frozen: tuple[str, str]) -> None:
    page = site.visit(f"/datasets/{frozen[1]}")
    page.get_by_role("link", name="What changed since the one before").click()
    expect(page).to_have_url(re.compile(f"/datasets/{frozen[0]}/diff/{frozen[1]}"))
    with site.client() as api:
        told = api.get(f"/v1/datasets/{frozen[0]}/diff/{frozen[1]}", params={"change": "label"}).json()
    assert (told["added"], told["removed"], told["relabelled"], told["unchanged"]) == (30, 1, 1, 98)
    for name, figure in (("Added", 30), ("Removed", 1), ("Label changed", 1), ("Unchanged", 98)):
        tile = page.locator(".tile", has=page.locator("dt", has_text=re.compile(f"^{name}$")))
        expect(tile.locator("dd")).to_have_text(str(figure))
    page.get_by_role("link", name="Label changed").click()
    row = page.locator("table.rows tbody tr")
    expect(row).to_have_count(1)
    expect(row.locator("del")).to_have_text("MEDIUM")
    expect(row.locator("ins")).to_have_text("EASY")
    accessible(page)
    on_a_phone(page)
    row.get_by_role("link").click()
    expect(page.locator("table.rows tbody th a").first).to_have_attribute("href", f"/lineage/{told['items'][0]['id']}")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"/datasets/ds_{0:032x}", 404, "There is no dataset"),
        ("/datasets/ds_1", 422, "ds_1"),
        (f"/datasets/ds_{0:032x}/diff/ds_{1:032x}", 404, "There is no dataset"),
        ("/datasets?of=%3Cscript%3E", 422, ""),
    ],
)
def test_a_bad_address_gets_a_clear_page(site: Site, path: str, status: int, told: str) -> None:
    page = site.visit("/datasets")
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == status
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if status == 404:
        expect(page.get_by_role("alert")).to_contain_text(told)


def test_an_empty_list_names_the_command(site: Site) -> None:
    page = site.visit("/datasets?of=gold")
    expect(page.locator(".empty code")).to_have_text("tuneyard gold freeze")
