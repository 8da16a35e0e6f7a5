"""A Gradio Space: restyle a photo in the manner of a painting, or a mix of two. Run it with `python app.py`."""

from __future__ import annotations

import functools

import gradio as gr
from PIL import Image

import fastnst
from fastnst.images.decode import open_image

NONE = "none"
STYLES = list(fastnst.available_styles())
MAX_SIDE = 1600  # long side: a visitor's photo of 50 megapixels would keep all others waiting


@functools.lru_cache(maxsize=4)
def stylizer(style: str) -> fastnst.Stylizer:
    return fastnst.Stylizer(style)


@functools.lru_cache(maxsize=1)
def matting() -> fastnst.Matting:
    return fastnst.Matting()


def restyle(
    path: str | None, first: str, second: str, strength: float, stroke: float, keep_colours: bool, part: str
) -> Image.Image:
    """The button's work; what a visitor can get wrong becomes a message on the page."""
    if path is None:
        raise gr.Error("Choose a photo first.")
    style = first if second in (NONE, first) else f"{first}:0.5,{second}:0.5"
    try:
        with open(path, "rb") as file:
            photo = open_image(file, max_size=MAX_SIDE)
        restyled = stylizer(style)(photo, strength=strength, stroke=stroke, preserve_color=keep_colours)
        if part == "all of it":
            return restyled
        people = Image.fromarray((matting()(photo) * 255).round().astype("uint8"))
        over, under = (restyled, photo) if part == "people" else (photo, restyled)
        return Image.composite(over, under, people)
    except fastnst.FastNSTError as error:
        raise gr.Error(str(error)) from error


with gr.Blocks(title="fastnst", analytics_enabled=False) as demo:
    gr.Markdown("# fastnst\nA photo in the manner of a painting, in one pass of a small network.")
    with gr.Row():
        with gr.Column():
            # A path: Gradio would open it by any format of Pillow's, of which one starts another program.
            photo = gr.Image(type="filepath", image_mode=None, label="Photo", height=360)
            first = gr.Dropdown(STYLES, value=STYLES[0], label="Style")
            second = gr.Dropdown([NONE, *STYLES], value=NONE, label="Mixed with")
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength")
            stroke = gr.Slider(0.5, 2, value=1, step=0.1, label="Strokes")
            keep = gr.Checkbox(label="Keep the photo's colours")
            part = gr.Radio(["all of it", "people", "background"], value="all of it", label="Restyle")
            button = gr.Button("Restyle", variant="primary")
        result = gr.Image(label="Result", format="png")
    inputs = [photo, first, second, strength, stroke, keep, part]
    button.click(restyle, inputs, result, concurrency_limit=1, api_name="restyle")
    gr.Examples([[str(fastnst.sample_photo())]], [photo])

if __name__ == "__main__":
    demo.queue(max_size=20).launch(allowed_paths=[str(fastnst.sample_photo())])
