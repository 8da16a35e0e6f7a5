"""The commands: where each lives, and what it does in half a line."""

from __future__ import annotations

COMMANDS = {
    "stylize": ("fastnst.commands.stylize", "restyle photos, folders of photos, videos and GIFs"),
    "join": ("fastnst.commands.join", "join pieces of a long clip that were restyled one by one"),
    "camera": ("fastnst.commands.camera", "restyle the camera, live"),
    "web": ("fastnst.commands.web", "open a page that restyles photos and the camera in the browser"),
    "styles": ("fastnst.commands.styles", "list the styles that are installed"),
    "matte": ("fastnst.commands.matte", "separate people from the background: mattes, cut-outs, composites"),
    "train": ("fastnst.commands.train", "train a style from a painting and photos"),
    "train-start": ("fastnst.commands.train_start", "learn the network that every training begins from"),
    "train-predictor": ("fastnst.commands.train_predictor", "learn to guess a painting's style before the first step"),
    "train-matting": ("fastnst.commands.train_matting", "train the network that finds people"),
    "optimize": ("fastnst.commands.optimize", "restyle one photo by per-image optimization; sweep settings"),
    "reconstruct": ("fastnst.commands.reconstruct", "show what single layers keep of a photo"),
    "texture": ("fastnst.commands.texture", "grow textures with a painting's statistics"),
    "compare": ("fastnst.commands.compare", "measure a trained style against per-image optimization"),
    "preview": ("fastnst.commands.preview", "show what a training will aim at, before it starts"),
    "bench": ("fastnst.commands.bench", "time styles at several sizes on the engines of this machine"),
    "distill": ("fastnst.commands.distill", "train the perceptual network that ships, from VGG-19"),
    "card": ("fastnst.commands.card", "write a style's card from its model file and its comparison"),
    "batch": ("fastnst.commands.batch", "restyle a million pictures, by processes or by a Ray cluster"),
    "triton": ("fastnst.commands.triton", "write a model repository for NVIDIA's Triton Inference Server"),
    "push": ("fastnst.commands.push", "put a style on the Hugging Face hub"),
    "pull": ("fastnst.commands.pull", "install a style from the hub or from an index of styles"),
    "export": ("fastnst.commands.export", "turn a trained network into a style model file"),
    "doctor": ("fastnst.commands.doctor", "say what this machine can do, and what to install for more"),
    "completion": ("fastnst.commands.completion", "write the script that completes commands, options and styles"),
}
# Commands whose standard output is what they are asked for, so that --quiet leaves it.
REPORTING = {"styles", "bench", "doctor", "completion"}
