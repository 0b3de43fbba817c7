package main

import (
	"os/exec"
	"strings"
	"testing"
)

// A whole net of segmentation_models.pytorch, saved in both ways, is what training
// starts from, and exports of the runs go back into its net: no bit changes.
func TestSegmentationModelsThereAndBack(t *testing.T) {
	if testing.Short() {
		t.Skip("imports PyTorch three times")
	}
	interpreter := python(t, "segmentation_models_pytorch")
	inFolder(t)
	smp := func(code string) {
		t.Helper()
		const begin = `
import torch, segmentation_models_pytorch as smp
from safetensors.torch import load_file, save_file
torch.manual_seed(1)
net = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=4)
`
		if out, err := exec.Command(interpreter, "-c", begin+code).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	smp(`
torch.nn.init.ones_(net.segmentation_head[0].bias)  # the smallest step of training would change 0
with torch.no_grad():
    net.train()(torch.rand(2, 3, 64, 64))  # moves the running statistics
torch.save(net.state_dict(), "made.pth")
save_file(net.state_dict(), "made.safetensors")
`)
	for _, path := range []string{"made.pth", "made.safetensors"} {
		o := command(t, tiny("--set", "model.encoder=efficientnet_lite0", "--set", "model.decoder_channels=[256,128,64,32,16]", "--set", "model.init="+path, "--out", path+".run", "--set", "data.size=[64,64]",
			"--epochs", "1", "--set", "model.freeze=[encoder, decoder]", "--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0")...)
		if o.code != 0 || !strings.HasPrefix(o.stderr, "starting from the weights of "+path+"\ndata ") {
			t.Fatalf("exit code %d\n%s", o.code, o.stderr)
		}
		must(t, "export", "--checkpoint", path+".run/checkpoints/last.safetensors", "--out", path+".ours")
	}
	smp(`
for path in "made.pth", "made.safetensors":
    net.load_state_dict(load_file(path + ".ours"))  # strict
    save_file(net.state_dict(), path + ".back")
`)
	made := tensors(t, "made.safetensors")
	for _, path := range []string{"made.pth", "made.safetensors"} {
		back := tensors(t, path+".back")
		if len(made) != len(back) {
			t.Errorf("%s: %d tensors came back of %d", path, len(back), len(made))
		}
		for name := range made {
			if !sameBits(made[name], back[name]) {
				t.Errorf("%s: %s has changed on the way", path, name)
			}
		}
	}
}
