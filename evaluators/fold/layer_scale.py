"""LayerScale into the layer that ends the branch."""

from blocks.join.layer_scale import LayerScaleJoin
from evaluators.fold import FOLDS, Fold, Foldable, left_out
from evaluators.fold._flow import ATEN, Flow, scaled_outputs


def folded(given: Foldable) -> tuple[Foldable, int]:
    """Make every scaled join a plain one whose branch ends with a layer. A scale of the skip path (ResScale) has no layer to go
    to."""
    flow, places = Flow(given.network, given.image_size), 0
    for node in flow.calls(ATEN.addcmul.default):
        view = node.args[2]
        name, join = flow.owner(view.args[0]) if view.op == "call_function" and view.args else ("", None)
        parts = flow.sources(node.args[1], 1) if isinstance(join, LayerScaleJoin) else None
        if parts is None:
            continue
        for part in parts:
            scaled_outputs(part, join.scale.detach())
        given.network.set_submodule(name, left_out(join))
        places += 1
    return given, places


FOLDS.register("layer_scale")(Fold(folded, "layer scales into the layers before them"))
