"""A blind comparison: a page that shows shuffled pairs, takes keys, and counts what was preferred."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from PIL import Image

from fastnst.reference.report import data_url


@dataclass(frozen=True)
class BlindPhoto:
    """A photo, and what each way made of it, by its name."""

    name: str
    photo: Image.Image
    pictures: Mapping[str, Image.Image]


def blind_page(title: str, photos: Sequence[BlindPhoto], painting: Image.Image) -> str:
    """The page. It works from file://, sends nothing anywhere, and gives the answers as a JSON file to save.

    The names of the ways are in the page's source, but not on it until the last answer is given.
    """
    ways = list(photos[0].pictures)
    study = {
        "title": title,
        "ways": ways,
        "photos": [
            {
                "name": one.name,
                "photo": data_url(one.photo),
                "pictures": [data_url(one.pictures[way]) for way in ways],
            }
            for one in photos
        ],
    }
    # Inside a script element only "</" could end it, and "<!--" confuse it.
    data = json.dumps(study).replace("<", "\\u003c")
    assets = files("fastnst.reference") / "assets"
    style, script = ((assets / name).read_text(encoding="utf-8") for name in ("blind.css", "blind.js"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{style}</style></head><body>
<h1>{html.escape(title)}</h1>
<main id="asking">
<progress id="progress" value="0" aria-label="pairs seen"></progress>
<p>Which is the better picture of this photo in the manner of this painting? Click it, or press <kbd>←</kbd> for the
left, <kbd>→</kbd> for the right, <kbd>↓</kbd> for neither; <kbd>Backspace</kbd> goes back.
Pair <span id="count"></span>.</p>
<div class="both" id="pictures">
<button type="button" id="choose-left"><img id="left" alt="the left picture"></button>
<button type="button" id="choose-right"><img id="right" alt="the right picture"></button>
</div>
<div class="given"><figure><img id="photo" alt="the photo"><figcaption>the photo</figcaption></figure>
<figure><img src="{data_url(painting)}" alt="the painting"><figcaption>the painting</figcaption></figure></div>
</main>
<section id="done" hidden>
<h2>What you preferred</h2>
<div class="scroll"><table><thead><tr><th>pair<th>the first<th>the second<th>neither<th>share of the first
(95 % interval)</thead><tbody id="results"></tbody></table></div>
<p>The interval is Wilson's for a binomial share; where it holds 50 %, these answers do not tell the two apart.</p>
<p><a id="save" class="button" download="answers.json">Save the answers (JSON)</a></p>
<h2>Answer by answer</h2>
<div id="answers"></div>
</section>
<div class="bar"><button type="button" id="neither">neither</button><button type="button" id="back">back</button>
<button type="button" id="stop">stop here and count</button></div>
<script type="application/json" id="study">{data}</script>
<script>{script}</script></body></html>
"""
