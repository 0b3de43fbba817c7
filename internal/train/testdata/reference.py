"""The default UNet as it is written by hand in PyTorch, its shape found from a state_dict."""
import json
import struct

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
    """The tensors of a file."""
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
