"""Any text is a declaration or one line that says what is wrong; what is written is read again."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.daemon import declaration
from artac_daemon.model.declaration import KEYS
from artac_daemon.model.errors import ArtacError, ErrorKind

keys = st.sampled_from([*KEYS, "name"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["/", "~/x", "terminal", "plan", "on-boot", "with-backend", "-p", "3G", "memory"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def outcome(text: str) -> declaration.Declaration | None:
    try:
        return declaration.parse("api", "/p/api.yaml", text)
    except ArtacError as error:
        assert error.kind is ErrorKind.CONFIG
        assert error.message.startswith("/p/api.yaml") and error.message.isprintable()
        return None


@given(st.text())
def test_any_text(text: str) -> None:
    outcome(text)


@given(st.dictionaries(keys, values), st.booleans())
def test_any_mapping(content: dict[str, Any], flow: bool) -> None:
    outcome(yaml.safe_dump({"cwd": "/", **content}, default_flow_style=flow))


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
valid = st.fixed_dictionaries(
    {"cwd": st.just("/srv")},
    optional={
        "prompt": texts.filter(lambda text: bool(text.strip())),
        "model": texts.filter(lambda text: not text.startswith("-")),
        "allowed_tools": st.lists(texts),
        "env": st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), texts),
        "persist": st.booleans(),
        "restart": st.sampled_from(["no", "on-boot", ["on-boot", "on-failure"]]),
        "start": st.sampled_from(["manual", "with-backend"]),
    },
)


@given(valid)
def test_what_is_written_means_what_was_asked_for(content: dict[str, Any]) -> None:
    found = outcome(declaration.render("api", content))
    assert found is not None
    request = found.request
    assert request.prompt == content.get("prompt")
    assert request.model == content.get("model", "")
    assert request.allowed_tools == tuple(content.get("allowed_tools", ()))
    assert request.env == content.get("env", {})
    assert request.persist == content.get("persist")
    assert found.start.value == content.get("start", "manual")


@given(st.dictionaries(keys, values))
def test_any_request_is_written_or_refused(content: dict[str, Any]) -> None:
    try:
        text = declaration.render("api", content)
    except ArtacError as error:
        assert error.kind is ErrorKind.USAGE and error.message.isprintable()
    else:
        assert outcome(text) is not None
