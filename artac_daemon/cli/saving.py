"""run --save: writing a file that declares the session which is asked for."""

from __future__ import annotations

import argparse
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .beginning import place_of
from .client import Client, note


def save(client: Client, options: argparse.Namespace, body: dict[str, Any]) -> bool:
    """Write the file that `artac run --save` asks for; False where it was only to be shown.

    ArtacError(DENIED) where the daemon may not write it: it has then been printed.
    """
    kept = dict(given.split("=", 1) for given in options.env if "=" in given)
    left = sorted(body["env"].keys() - kept.keys())
    content = {**body, "env": kept}
    for key in ("name", "prompt_uuid", "size"):
        content.pop(key, None)
    place = place_of(options.save)
    wanted = {"content": content, "force": options.force, "dry_run": options.dry_run}
    try:
        written = client.begin("PUT", place, wanted).answer()
    except ArtacError as error:
        if error.kind is not ErrorKind.DENIED:
            raise
        written = client.begin("PUT", place, {**wanted, "dry_run": True}).answer()
        print(written["text"], end="", flush=True)
        raise ArtacError(
            ErrorKind.DENIED,
            f"{error.message}; nothing was started. An administrator can put the above there, "
            f"owned by root, readable by the daemon's account; then: artac start {options.save}",
        ) from None
    if left:
        note(f"not in the file, because it was given without a value: {', '.join(left)}")
    if not written["written"]:
        print(written["text"], end="")
        return False
    note(f"written: {written['path']}")
    return True


def additions(options: argparse.Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """What the start that follows `--save` is given beside the file."""
    kept = {given.split("=", 1)[0] for given in options.env if "=" in given}
    added = {"env": {name: value for name, value in body["env"].items() if name not in kept}}
    return {**added, **{key: body[key] for key in ("prompt_uuid", "size") if key in body}}
