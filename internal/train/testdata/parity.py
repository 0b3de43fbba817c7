"""Loads a checkpoint into PyTorch and compares logits and gradients with those in a second file.

    parity.py CHECKPOINT EXPECTED [FROZEN PART]...

EXPECTED holds image (N,H,W,3), target (N,H,W,C), weights (C), logits (N,H,W,C) of the
evaluation mode, loss (1) and gradient.<parameter> of a training step, in which frozen parts, such
as encoder.1, have no gradient and are in evaluation mode. Prints three numbers:
the largest differences of logits, of the loss, and of gradients relative to the parameter's largest.
"""
import json
import struct
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class UNet(nn.Module):
    def __init__(self, channels, classes, base, depth):
        super().__init__()
        width = [base << level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(DoubleConv(cin, cout) for cin, cout in zip([channels] + width, width))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, 2) for c in reversed(width[:-1]))
        self.decoder = nn.ModuleList(DoubleConv(2 * c, c) for c in reversed(width[:-1]))
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.decoder):
            x = block(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


def load(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = bytearray(f.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        tensors[name] = torch.frombuffer(data, dtype=torch.float32, offset=begin, count=(end - begin) // 4).reshape(t["shape"])
    return tensors


def fit(state):
    """The net of a state_dict."""
    net = UNet(
        channels=state["encoder.0.conv1.weight"].shape[1],
        classes=state["head.weight"].shape[0],
        base=state["head.weight"].shape[1],
        depth=sum(name.startswith("up.") and name.endswith(".bias") for name in state),
    )
    net.load_state_dict(state)
    return net


def main():
    checkpoint, expected = load(sys.argv[1]), load(sys.argv[2])
    state = {name: t for name, t in checkpoint.items() if not name.startswith("optimizer.")}
    net = fit(state)

    image = expected["image"].permute(0, 3, 1, 2).contiguous()
    target = expected["target"].argmax(3)
    target[expected["target"].sum(3) == 0] = 255

    net.eval()
    with torch.no_grad():
        logits = net(image).permute(0, 2, 3, 1)
    print((logits - expected["logits"]).abs().max().item())

    net.train()
    for part in sys.argv[3:]:
        net.get_submodule(part).eval().requires_grad_(False)
    loss = F.cross_entropy(net(image), target, weight=expected["weights"], ignore_index=255)
    loss.backward()
    print((loss - expected["loss"][0]).abs().item())
    print(max(
        ((p.grad - expected["gradient." + name]).abs().max() / p.grad.abs().max()).item()
        for name, p in net.named_parameters() if p.requires_grad
    ))


if __name__ == "__main__":
    main()
