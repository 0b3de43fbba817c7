"""Draws nets with the encoders of others, and computes with PyTorch what they compute.

    encoders.py FOLDER[:SMP]...

SMP names an encoder of segmentation_models_pytorch, whose net is taken; without it, it is that of
the module unet.py in the folder, which gives the same logits for the same weights.

Each folder gets net.pth, the state_dict of the net, and expected.pth: image (N,H,W,3), target
(N,H,W,C), 0 where a pixel is void, and weights (C); logits (N,H,W,C) in evaluation mode; those of a
training step, training_logits, with its loss (1), gradient.<parameter>, and statistic.<running
statistic> after it, all found in float64; and rounding (2), the largest difference that float32
makes to training_logits, and to gradients, relative to the largest value of each.
"""
import copy
import importlib.util
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
VOID = 4  # behind the classes


def load(folder):
    """The module unet.py."""
    spec = importlib.util.spec_from_file_location("unet", folder / "unet.py")
    unet = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unet)
    return unet


def smp_unet(encoder, classes):
    """SMP's net, for images in 0..1: it leaves it to its user to standardize them."""
    import segmentation_models_pytorch as smp
    import timm
    trained = timm.get_pretrained_cfg(encoder.removeprefix("tu-"))
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in (trained.mean, trained.std))
    net = smp.Unet(encoder, encoder_weights=None, classes=classes)
    net.register_forward_pre_hook(lambda _, inputs: ((inputs[0] - mean) / deviation,))
    return net


def draw(net, image):
    """Draws norms, and running statistics about those of the batch."""
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.weight.data.uniform_(0.5, 2)
        norm.bias.data.uniform_(-0.5, 0.5)
    with torch.no_grad():
        net.train()(image)
    for norm in norms:
        norm.momentum = 0.1
        norm.running_mean += 0.1 * torch.randn_like(norm.running_mean)
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)


def avoid_kinks(net, image):
    """Moves the biases of norms a little, to where no ReLU meets a value near its kink: else rounding
    decides on which side some value falls, and gradients differ by much more than rounding."""
    original, shifts, bias = (F.batch_norm, F.relu, F.relu6, F.hardtanh), torch.linspace(-0.3, 0.3, 41), None

    def batch_norm(x, mean, variance, weight, norm_bias, *settings):
        nonlocal bias
        bias = norm_bias
        return original[0](x, mean, variance, weight, norm_bias, *settings)

    def shifted(x, *kinks):
        """x as the last norm with a better bias makes it."""
        distances = [torch.stack([(x + shift - kink).abs().amin((0, 2, 3)) for kink in kinks]).amin(0) for shift in shifts]
        shift = shifts[torch.stack(distances).argmax(0)]
        bias.data += shift
        return x + shift.view(-1, 1, 1)

    F.batch_norm = batch_norm
    F.relu = lambda x, inplace=False: original[1](shifted(x, 0))
    F.relu6 = lambda x, inplace=False: original[2](shifted(x, 0, 6))
    F.hardtanh = lambda x, low, high, inplace=False: original[3](shifted(x, low, high), low, high)
    with torch.no_grad():
        net(image)
    F.batch_norm, F.relu, F.relu6, F.hardtanh = original


def compute(net, image, target, weights):
    def step(net, precision):
        logits = net(image.to(precision))
        loss = F.cross_entropy(logits, target, weight=weights.to(precision), ignore_index=VOID)
        loss.backward()
        gradients = {"gradient." + name: p.grad for name, p in net.named_parameters()}
        return {"training_logits": logits.detach().permute(0, 2, 3, 1), "loss": loss.detach().view(1), **gradients}

    single = step(copy.deepcopy(net), torch.float32)
    net.double()
    with torch.no_grad():
        logits = copy.deepcopy(net).eval()(image.double())
    result = step(net, torch.float64)
    # A bias that a later norm takes out again has no gradient but by rounding.
    rounding = {name: (t - single[name]).abs().max() / t.abs().max() for name, t in result.items() if t.abs().max() > 1e-9}
    result["rounding"] = torch.stack([rounding.pop("training_logits"), max(rounding.values())])
    result["logits"] = logits.permute(0, 2, 3, 1)
    result.update({"statistic." + name: b for name, b in net.named_buffers() if "running" in name})
    return result


def main(folder, encoder):
    torch.manual_seed(1)
    unet = load(folder)
    net = own = unet.UNet()
    if encoder:
        net = smp_unet(encoder, len(unet.CLASSES))
    image, target, weights = torch.rand(2, 3, 64, 64), torch.randint(0, VOID + 1, (2, 64, 64)), torch.tensor([1., 5, 50, 5])
    draw(net, image)
    avoid_kinks(net, image)
    torch.save(net.state_dict(), folder / "net.pth")

    own.load_state_dict(net.state_dict())
    for training in False, True:
        a, b = copy.deepcopy(own).train(training)(image), copy.deepcopy(net).train(training)(image)
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6), (encoder, training, (a - b).abs().max())

    result = {"image": image.permute(0, 2, 3, 1), "target": F.one_hot(target)[..., :VOID], "weights": weights, **compute(net, image, target, weights)}
    torch.save({name: t.float().contiguous() for name, t in result.items()}, folder / "expected.pth")


for argument in sys.argv[1:]:
    folder, _, encoder = argument.partition(":")
    main(Path(folder), encoder)
