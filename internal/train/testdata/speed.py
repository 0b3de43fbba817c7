"""Measures this program and PyTorch in turn: the same net, loss and optimizer on random images.

    go build -o unet ./cmd/train && python3 internal/train/testdata/speed.py ./unet [--base 32] [--turns 5] [--bfloat16]
    python3 internal/train/testdata/speed.py ./unet --encoder resnet34 [--freeze]

The second form measures smp.Unet, of segmentation_models_pytorch, with that encoder. Prints the medians
of both, and of the ratios of each turn: the speed of a shared machine varies too much to compare figures
of different minutes. PyTorch runs with channels last, its faster setting, eagerly and, where it has
torch.compile (2.0), compiled: a line each.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

SIZE = 128  # height and width of images, as data.size is
CLASSES = 4


def make_net(a):
    if a.encoder == "unet":
        from reference import UNet

        return UNet(3, CLASSES, a.base, 4)
    import segmentation_models_pytorch as smp

    name = a.encoder
    if name.startswith("efficientnet_lite"):
        name = "tu-tf_" + name
    if name.startswith("mobilenet"):
        name = "tu-" + name
    return smp.Unet(name, encoder_weights=None, decoder_channels=a.decoder, classes=CLASSES)


def peer(a):
    """One measurement of PyTorch, in a process of its own for its memory."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = make_net(a).to(memory_format=torch.channels_last)
    if a.freeze:
        net.encoder.requires_grad_(False).eval()
    image = torch.rand(a.batch, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randint(0, CLASSES, (a.batch, SIZE, SIZE))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 1e-3, weight_decay=1e-4)
    run = torch.compile(net) if a.peer == "compiled" else net

    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bfloat16)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = F.cross_entropy(run(image), target, weight=weight)
        loss.backward()
        optimizer.step()

    def infer():
        with torch.no_grad(), autocast:
            run(image)

    def images_per_second(do):
        times = []
        for _ in range(2 + a.steps):
            start = time.perf_counter()
            do()
            times.append(time.perf_counter() - start)
        return a.batch / statistics.median(times[2:])

    train = images_per_second(step)
    net.eval()
    print(json.dumps({
        "train_images_per_second": train,
        "infer_images_per_second": images_per_second(infer),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


def ways():
    """In which PyTorch can run a net. It is not imported here: a process begins with the peak memory of its parent."""
    return ["eager", "compiled"] if int(version("torch").split(".")[0]) >= 2 else ["eager"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", nargs="?")
    p.add_argument("--encoder", default="unet", help="as model.encoder")
    p.add_argument("--base", type=int, default=32, help="base channels of unet")
    p.add_argument("--decoder", type=json.loads, default=[128, 64, 32, 16, 16], help="as model.decoder_channels")
    p.add_argument("--freeze", action="store_true", help="with a frozen encoder")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--turns", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--bfloat16", action="store_true", help="our precision bfloat16 and PyTorch's autocast")
    p.add_argument("--peer", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.peer:
        return peer(a)

    def run(*command):
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    settings = {
        "model.encoder": a.encoder, "model.base_channels": a.base, "model.depth": 4, "model.decoder_channels": a.decoder,
        "model.freeze": "[encoder]" if a.freeze else "[]", "data.size": [SIZE, SIZE],
        "train.batch_size": a.batch, "threads": a.threads, "precision": "bfloat16" if a.bfloat16 else "float32",
    }
    ours, theirs = [], {way: [] for way in ways()}
    for _ in range(a.turns):
        ours.append(run(a.program, "bench", "--json", "--steps", str(a.steps), *(f"--set={k}={v}" for k, v in settings.items())))
        for way, measured in theirs.items():
            measured.append(run(sys.executable, __file__, *sys.argv[1:], "--peer", way))
    for key in ("train_images_per_second", "infer_images_per_second", "peak_rss_mb"):
        for way, measured in theirs.items():
            x, y = [m[key] for m in ours], [m[key] for m in measured]
            ratios = sorted(b / c for b, c in zip(x, y))
            print(f"{key:24} {statistics.median(x):8.1f}  PyTorch {way:8} {statistics.median(y):8.1f}  "
                  f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
