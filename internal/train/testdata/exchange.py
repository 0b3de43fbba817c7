"""Writes and rewrites nets as PyTorch does.

    exchange.py make OUT CLASSES BASE DEPTH    a net that has seen a batch; OUT.pth: as a script saves it that trains on several GPUs
    exchange.py pass [IN OUT]...               load_state_dict of IN, then state_dict to OUT
"""
import json
import struct
import sys

import torch

import reference


def save(state, path):
    if path.endswith(".pth"):
        torch.save({"epoch": 1, "state_dict": {"module." + name: t for name, t in state.items()}}, path)
        return
    try:
        from safetensors.torch import save_file
        save_file(state, path)
    except ImportError:
        header, data = {}, b""
        for name, t in state.items():
            b = t.numpy().tobytes()
            header[name] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(b)]}
            data += b
        text = json.dumps(header).encode()
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + data)


if sys.argv[1] == "make":
    out, classes, base, depth = sys.argv[2], *map(int, sys.argv[3:])
    torch.manual_seed(1)
    net = reference.UNet(3, classes, base, depth)
    with torch.no_grad():
        net.train()(torch.rand(4, 3, 16, 16))
    save(net.state_dict(), out)
else:
    for path, out in zip(sys.argv[2::2], sys.argv[3::2]):
        save(reference.fit(reference.load(path)).state_dict(), out)
