"""`viewer.html`: the model in one page that works from disk, and the same as a folder of files.

Everything the page needs lies inside of it: nothing is fetched, and its content security policy
lets nothing out. `assets/` holds the libraries, with versions and SHA-256 in assets.json.
"""

import base64
import gzip
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from thorax.artifacts.model import Exported
from thorax.io import sha256_file, write_text

PAGE, FOLDER = "viewer.html", "viewer"
LARGEST = 200_000_000  # bytes of a page; browsers become unusable beyond
_HERE = files("thorax.export")
_IMPORT = re.compile(r'^import (\{.+?\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) (\w+))", re.MULTILINE)
_ORT_EXPORT = re.compile(r"export\{([^}]+)\};")


class Script(NamedTuple):
    """A classic script: modules cannot be loaded from disk."""

    name: str
    text: str


def write_viewer(to: Path, model: Path, about: Exported, name: str, card: str) -> str:
    """Write the page and the folder, or remove those of an earlier export; say which.

    Args:
        to: folder of the export.
        model: ONNX file.
        about: what was exported.
        name: of the model.
        card: Markdown.
    """
    reason = _reason_against(model, about)
    if reason:
        for earlier in (to / PAGE, to / FOLDER / "index.html"):
            earlier.unlink(missing_ok=True)
        return f"No {PAGE}: {reason}"
    sha256 = sha256_file(model)
    scripts = _scripts(model, about, sha256)
    style = _text("page/page.css")
    words = {
        "exported": about, "model": name, "sha256": sha256, "libraries": libraries(),
        "card": Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(card)),
    }  # fmt: skip
    page = _inlined(words, style, scripts)
    write_text(to / PAGE, page)
    _write_folder(to / FOLDER, words, style, scripts)
    return f"Open {to / PAGE} in a browser ({len(page) / 1e6:.1f} MB), or {to / FOLDER}/index.html."


def libraries() -> list[dict[str, Any]]:
    """Package, version, license and files with their SHA-256, of what is inside of the page."""
    record: list[dict[str, Any]] = json.loads(_text("assets/assets.json"))
    return record


def bundle(entry: str) -> str:
    """A JavaScript module and what it imports, each once, as one classic script."""
    written: dict[str, str] = {}

    def add(name: str) -> None:
        text = _text(f"page/{name}.js")
        for _, imported in _IMPORT.findall(text):
            if imported not in written:
                add(imported)
        exports = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = $\2;", text))
        written[name] = f"const ${name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"

    add(entry)
    return '(() => {\n"use strict";\n' + "".join(written.values()) + "})();\n"


def _reason_against(model: Path, about: Exported) -> str:
    if about.prepared:
        settings = ", ".join(about.prepared)
        return f"{settings} cannot be computed in the page. Use `thorax predict`."
    size = model.stat().st_size * 4 / 3
    if size > LARGEST:
        return (
            f"it would have {size / 1e6:.0f} MB, more than a browser opens well"
            f" ({LARGEST / 1e6:.0f} MB). Use `thorax predict`, or onnxruntime with {model.name}."
        )
    return ""


def _scripts(model: Path, about: Exported, sha256: str) -> list[Script]:
    facts = {"exported": about.model_dump(mode="json"), "model": sha256}
    return [
        Script("about.js", f"globalThis.thorax = {{ parts: {{}}, about: {_literal(facts)} }};\n"),
        Script("ort.js", _classic(_library("ort.wasm.bundle.min.mjs"))),
        Script("dicom-parser.js", _library("dicomParser.min.js")),
        Script("openjpeg.js", _library("openjpegwasm_decode.js")),
        _part("onnxruntime", _packed("ort-wasm-simd-threaded.wasm")),
        _part("openjpeg", _packed("openjpegwasm_decode.wasm")),
        _part("notices", _packed("NOTICES.txt")),
        _part("model", gzip.compress(model.read_bytes(), 6, mtime=0)),
        Script("page.js", bundle("page")),
    ]


def _part(name: str, packed: bytes) -> Script:
    text = base64.b64encode(packed).decode()
    return Script(f"{name}-data.js", f'globalThis.thorax.parts.{name} = "{text}";\n')


def _classic(module: str) -> str:
    """The module of onnxruntime as a script that sets `ort`; it needs no address of its own."""
    found = _ORT_EXPORT.search(module)
    assert found, "the library exports differently in this version"
    pairs = [pair.split(" as ") for pair in found[1].split(",")]
    exports = ", ".join(f"{public}: {name}" for name, public in pairs)
    body = module[: found.start()].replace("import.meta.url", '"blob:"')
    return f"(() => {{\n{body}globalThis.ort = {{ {exports} }};\n}})();\n"


def _inlined(words: dict[str, Any], style: str, scripts: list[Script]) -> str:
    safe = [re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE) for _, text in scripts]
    hashes = " ".join(map(_hash, safe))
    return _page(
        words, {"script": hashes, "style": _hash(style)},
        f"<style>{style}</style>", [f"<script>{text}</script>" for text in safe],
    )  # fmt: skip


def _write_folder(folder: Path, words: dict[str, Any], style: str, scripts: list[Script]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in scripts:
        write_text(folder / name, text)
    write_text(folder / "page.css", style)
    own = "'self' file:"
    tags = [f'<script src="{name}"></script>' for name, _ in scripts]
    link = '<link rel="stylesheet" href="page.css">'
    write_text(folder / "index.html", _page(words, {"script": own, "style": own}, link, tags))


def _page(words: dict[str, Any], allowed: dict[str, str], style: str, tags: list[str]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    policy = {name: Markup(text) for name, text in allowed.items()}
    return environment.from_string(_text("page/page.html")).render(
        words, allowed=policy, style=Markup(style), scripts=Markup("\n".join(tags))
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _literal(value: Any) -> str:
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


@cache
def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")


def _packed(name: str) -> bytes:
    return _HERE.joinpath(f"assets/{name}.gz").read_bytes()


def _library(name: str) -> str:
    return gzip.decompress(_packed(name)).decode()
