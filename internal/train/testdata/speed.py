"""Measures this program and PyTorch in turn: the same net, loss and optimizer on random images.

    go build -o unet ./cmd/train && python3 internal/train/testdata/speed.py ./unet [--base 32] [--turns 5] [--bfloat16]

Prints the medians of both, and of the ratios of each turn: the speed of a shared machine varies too
much to compare figures of different minutes. PyTorch runs with channels last, its faster setting.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def peer(base, batch, steps, threads, bfloat16):
    """One measurement of PyTorch, in a process of its own for its memory."""
    import torch
    import torch.nn.functional as F

    from reference import UNet

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = UNet(3, 4, base, 4).to(memory_format=torch.channels_last)
    image = torch.rand(batch, 3, 128, 128).to(memory_format=torch.channels_last)
    target = torch.randint(0, 4, (batch, 128, 128))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)

    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = F.cross_entropy(net(image), target, weight=weight)
        loss.backward()
        optimizer.step()

    def infer():
        with torch.no_grad(), autocast:
            net(image)

    def images_per_second(run):
        times = []
        for _ in range(2 + steps):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return batch / statistics.median(times[2:])

    train = images_per_second(step)
    net.eval()
    print(json.dumps({
        "train_images_per_second": train,
        "infer_images_per_second": images_per_second(infer),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", nargs="?")
    p.add_argument("--base", type=int, default=32)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--turns", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--bfloat16", action="store_true", help="our precision bfloat16 and PyTorch's autocast")
    p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.peer:
        return peer(a.base, a.batch, a.steps, a.threads, a.bfloat16)

    def run(*command):
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    shared = ["--steps", str(a.steps)]
    rounding = ["--bfloat16"] if a.bfloat16 else []
    ours, theirs = [], []
    for _ in range(a.turns):
        settings = {"model.base_channels": a.base, "model.depth": 4, "train.batch_size": a.batch, "threads": a.threads}
        if a.bfloat16:
            settings["precision"] = "bfloat16"
        ours.append(run(a.program, "bench", "--json", *shared, *(f"--set={k}={v}" for k, v in settings.items())))
        theirs.append(run(sys.executable, __file__, "--peer", *shared, *rounding, *(f"--{k}={getattr(a, k)}" for k in ("base", "batch", "threads"))))
    for key in ("train_images_per_second", "infer_images_per_second", "peak_rss_mb"):
        x, y = [m[key] for m in ours], [m[key] for m in theirs]
        ratios = sorted(b / c for b, c in zip(x, y))
        print(f"{key:24} {statistics.median(x):8.1f}  PyTorch {statistics.median(y):8.1f}  "
              f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
