"""fastnst for ComfyUI: restyle, mix, find people, train a painting (V3 nodes)."""

from comfy_api.latest import ComfyExtension, io

from .nodes import MatteNode, MixNode, RestyleNode, TrainNode


class FastNSTExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [RestyleNode, MixNode, MatteNode, TrainNode]


async def comfy_entrypoint() -> FastNSTExtension:
    return FastNSTExtension()
