"""Results reach the model as blocks, within bounds, and nothing that is left out is lost."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from copaw.app.mcp import results
from copaw.app.mcp.results import Results
from copaw.app.mcp.session import RemoteResult
from copaw.ports import Json


async def converted(workspace: Path, *content: Json, **fields: object) -> list[Json]:
    return (await Results(workspace).converted("tool", RemoteResult(list(content), **fields))).content  # type: ignore[arg-type]


async def test_texts_and_pictures_become_blocks(tmp_path: Path) -> None:
    data = base64.b64encode(b"png").decode()
    blocks = await converted(
        tmp_path, {"type": "text", "text": "t"}, {"type": "image", "data": data, "mimeType": "image/png"}
    )
    source = {"type": "base64", "media_type": "image/png", "data": data}
    assert blocks == [{"type": "text", "text": "t"}, {"type": "image", "source": source}]
    assert not (tmp_path / results.RESULTS_DIR).exists()


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"type": "resource", "resource": {"uri": "a://b", "text": "inside"}}, "[Resource a://b]\ninside"),
        ({"type": "resource_link", "name": "n", "uri": "a://b"}, "[Resource n <a://b>]"),
        ({"type": "resource_link", "name": "n", "uri": "a://b", "description": "d"}, "[Resource n <a://b>: d]"),
        ({"type": "from the future", "x": 1}, '{"type": "from the future", "x": 1}'),
    ],
)
async def test_everything_else_becomes_text(tmp_path: Path, item: Json, text: str) -> None:
    assert await converted(tmp_path, item) == [{"type": "text", "text": text}]


async def test_an_embedded_picture_is_a_picture(tmp_path: Path) -> None:
    resource = {"uri": "a://b", "blob": "cG5n", "mimeType": "image/png"}
    (block,) = await converted(tmp_path, {"type": "resource", "resource": resource})
    assert block["type"] == "image"


async def test_other_bytes_are_kept_in_a_file(tmp_path: Path) -> None:
    resource = {"uri": "a://b", "blob": base64.b64encode(b"zip").decode(), "mimeType": "application/zip"}
    (block,) = await converted(tmp_path, {"type": "resource", "resource": resource})
    (kept,) = (tmp_path / "tool_results").iterdir()
    assert (kept.read_bytes(), kept.suffix) == (b"zip", ".zip")
    assert f"kept in tool_results/{kept.name}" in block["text"]


async def test_a_structured_result_without_content_is_shown_as_json(tmp_path: Path) -> None:
    assert await converted(tmp_path, structured={"a": 1}) == [{"type": "text", "text": '{"a": 1}'}]


async def test_a_long_text_is_cut_in_the_middle_and_kept_whole(tmp_path: Path) -> None:
    text = "begin " + "ä" * 200_000 + " end"
    (block,) = await converted(tmp_path, {"type": "text", "text": text})
    assert block["text"].startswith("begin ")
    assert " end\n\n[The result has 390.6 KiB" in block["text"]
    assert len(block["text"].encode()) < results.MAX_TEXT_BYTES + 500
    (kept,) = (tmp_path / "tool_results").iterdir()
    assert kept.read_text() == text


async def test_many_short_texts_are_bounded_together(tmp_path: Path) -> None:
    items = [{"type": "text", "text": "x" * 1000} for _ in range(200)]
    (block,) = await converted(tmp_path, *items)
    assert len(block["text"]) < results.MAX_TEXT_BYTES + 500
    assert len(list((tmp_path / "tool_results").iterdir())) == 1


async def test_a_huge_picture_is_only_kept(tmp_path: Path) -> None:
    data = base64.b64encode(b"x" * results.MAX_INLINE_BYTES).decode()
    (block,) = await converted(tmp_path, {"type": "image", "data": data, "mimeType": "image/png"})
    assert "This image is too large to show: image/png, 5.0 MiB" in block["text"]
    (kept,) = (tmp_path / "tool_results").iterdir()
    assert kept.stat().st_size == results.MAX_INLINE_BYTES
