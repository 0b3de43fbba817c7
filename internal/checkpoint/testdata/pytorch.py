"""Writes the files that TestReadPyTorch reads: pytorch.py FOLDER (PyTorch 1.13)."""
import argparse
import sys

import torch

values = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4 - 0.5
state = {
    "float32": values,
    "float64": values.double(),
    "float16": values.half(),
    "bfloat16": values.bfloat16(),
    "transposed": values.t(),
    "column": values[:, 1],
    "again": values,
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.tensor([1.5])),
    "num_batches_tracked": torch.tensor(7),
}
folder = sys.argv[1]
torch.save(state, folder + "/zip.pth")
nested = {"epoch": 3, "model": "unet", "args": argparse.Namespace(lr=0.1), "model_state_dict": state, "optimizer": {"state": {0: torch.ones(2)}}}
torch.save(nested, folder + "/legacy.pth", _use_new_zipfile_serialization=False, pickle_protocol=4)
