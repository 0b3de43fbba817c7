"""Compares nets of exported modules with what this program computed.

    parity.py FOLDER[:FROZEN PART,...]...

Each folder has unet.py and unet.safetensors, and expected.safetensors with image (N,H,W,3) and
logits (N,H,W,C) of the evaluation mode, and, unless the net drops out, target (N,H,W,C), weights
(C), loss (1) and gradient.<parameter> of a training step, in which frozen parts, such as encoder.1,
have no gradient and are in evaluation mode. Prints a line per folder, the largest differences of
logits, relative to the largest where that is above 1; of the loss; of gradients from those of
PyTorch in float64, relative to the parameter's largest; and of PyTorch's own in float32 from them.
"""
import copy
import importlib.util
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def differences(folder, frozen):
    spec = importlib.util.spec_from_file_location("unet", folder / "unet.py")
    unet = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unet)
    net, expected = unet.load(), unet.read_safetensors(folder / "expected.safetensors")
    image = expected["image"].permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        logits = net(image).permute(0, 2, 3, 1)
    yield ((logits - expected["logits"]).abs().max() / logits.abs().max().clamp(min=1)).item()
    if "loss" not in expected:
        return

    target = expected["target"].argmax(3)
    target[expected["target"].sum(3) == 0] = 255
    net.train()
    for part in frozen:
        net.get_submodule(part).eval().requires_grad_(False)
    def step(net, precision):
        loss = F.cross_entropy(net(image.to(precision)), target, weight=expected["weights"].to(precision), ignore_index=255)
        loss.backward()
        return loss, {name: p.grad for name, p in net.named_parameters() if p.requires_grad}

    exact = copy.deepcopy(net).double()
    (loss, theirs), (_, exact) = step(net, torch.float32), step(exact, torch.float64)
    yield (loss - expected["loss"][0]).abs().item()
    assert {"gradient." + name for name in theirs} == {name for name in expected if name.startswith("gradient.")}

    def error(gradients):
        return max(((gradients[name] - g).abs().max() / g.abs().max()).item() for name, g in exact.items())

    yield error({name: expected["gradient." + name] for name in exact})
    yield error(theirs)


for argument in sys.argv[1:]:
    folder, _, frozen = argument.partition(":")
    print(*differences(Path(folder), frozen.split(",") if frozen else []))
