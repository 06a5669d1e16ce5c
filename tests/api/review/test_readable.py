"""JSON of any shape as people read it."""

from api.review.views.readable import Leaf, readable

IMAGE = "img_" + "0" * 32


def test_a_short_text_is_all_there_is() -> None:
    assert (readable("yes").brief, readable("yes").leaves) == ("yes", ())
    assert readable(None).brief == "none"
    assert readable({"sure": True}).brief == "sure: yes"
    assert readable({"stars": 4, "ratings": 2}).brief == "stars: 4, ratings: 2"
    assert not readable({"stars": 4, "ratings": 2}).leaves


def test_a_long_text_is_cut_and_whole_behind() -> None:
    found = readable("word " * 100)
    assert found.brief.endswith("…")
    assert found.leaves == (Leaf(path="", text="word " * 100),)


def test_leaves_have_their_path() -> None:
    found = readable(
        {"signals": {"quotes": [{"sent": 4}, {"sent": 5}]}, "tags": ["a", "b"], "text": "x" * 200, "no": []}
    )
    assert [(leaf.path, leaf.text) for leaf in found.leaves] == [
        ("signals / quotes / 1 / sent", "4"), ("signals / quotes / 2 / sent", "5"), ("tags", "a, b"),
        ("text", "x" * 200), ("no", "none"),
    ]  # fmt: skip
    assert found.brief.startswith("sent: 4, sent: 5, tags: a, b")


def test_an_image_is_found_and_ids_are_not_told_in_brief() -> None:
    found = readable({"hour": 8, "image": IMAGE, "artifact": "a" * 64})
    assert found.image == IMAGE
    assert found.brief == "hour: 8"
    assert len(found.leaves) == 3


def test_very_many_leaves_are_cut() -> None:
    assert len(readable({str(n): n for n in range(5000)}).leaves) == 200
    assert readable({"a": {}}).brief
