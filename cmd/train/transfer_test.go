package main

import (
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
)

// tensors are those of a file by name.
func tensors(t *testing.T, path string) map[string]checkpoint.Tensor {
	t.Helper()
	c, _, err := checkpoint.ReadForeign(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]checkpoint.Tensor{}
	for _, tensor := range c.Tensors {
		all[tensor.Name] = tensor
	}
	return all
}

// sameBits reports whether two tensors have one shape and equal bits.
func sameBits(a, b checkpoint.Tensor) bool {
	return slices.Equal(a.Shape, b.Shape) && slices.EqualFunc(a.Data, b.Data, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y)
	})
}

// pyTorch runs exchange.py.
func pyTorch(t *testing.T, interpreter, path string, args ...string) {
	t.Helper()
	if out, err := exec.Command(interpreter, append([]string{path}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("exchange.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// keep are the flags of a run that leaves the net as it was.
func keep(flags ...string) []string {
	return tiny(append(flags, "--epochs", "1", "--set", "model.freeze=[encoder, up, decoder]", "--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0")...)
}

// Weights go from PyTorch through training and an export back to PyTorch, and
// no bit of them changes.
func TestPyTorchThereAndBack(t *testing.T) {
	interpreter, exchange := python(t, "torch"), script(t, "..", "..", "internal", "train", "testdata", "exchange.py")
	inFolder(t)
	pyTorch(t, interpreter, exchange, "make", "made.safetensors", "4", "2", "1")

	o := command(t, keep("--set", "model.init=made.safetensors")...)
	if o.code != 0 || !strings.HasPrefix(o.stderr, "starting from the weights of made.safetensors\ndata ") {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	must(t, "export", "--checkpoint", "run/checkpoints/last.safetensors", "--out", "ours.safetensors")
	must(t, tiny("--quiet", "--out", "trained", "--set", "optimizer.lr=0.05")...)
	must(t, "export", "--checkpoint", "trained/checkpoints/last.safetensors", "--out", "trained.safetensors")
	pyTorch(t, interpreter, exchange, "pass", "ours.safetensors", "theirs.safetensors", "trained.safetensors", "passed.safetensors")

	// The same from a file of torch.save.
	pyTorch(t, interpreter, exchange, "make", "made.pth", "4", "2", "1")
	o = command(t, keep("--set", "model.init=made.pth", "--out", "pickled")...)
	if o.code != 0 || !strings.HasPrefix(o.stderr, "starting from the weights of made.pth, state_dict, its names without module.\ndata ") {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	for name, tensor := range tensors(t, "made.safetensors") {
		if !sameBits(tensor, tensors(t, "pickled/checkpoints/last.safetensors")[name]) {
			t.Errorf("%s has changed on the way from made.pth", name)
		}
	}
	if shown := must(t, "inspect", "made.pth"); !strings.Contains(shown, "module.head.bias") || !strings.Contains(shown, "\n34 tensors, ") {
		t.Errorf("inspect shows\n%s", shown)
	}

	made, ours, theirs := tensors(t, "made.safetensors"), tensors(t, "ours.safetensors"), tensors(t, "theirs.safetensors")
	trained, passed := tensors(t, "trained.safetensors"), tensors(t, "passed.safetensors")
	for _, all := range []map[string]checkpoint.Tensor{made, ours, theirs, trained, passed} {
		if len(all) != 34 {
			t.Errorf("%d tensors, want 34", len(all))
		}
	}
	for name := range made {
		if !sameBits(made[name], ours[name]) || !sameBits(made[name], theirs[name]) {
			t.Errorf("%s has changed on the way", name)
		}
		if !sameBits(trained[name], passed[name]) || sameBits(trained[name], made[name]) {
			t.Errorf("%s of a net that was trained here is another in PyTorch", name)
		}
	}
}

// A net for other classes lends all but its head; the frozen part stays as it
// was, through an interruption too, and the file is not needed a second time.
func TestTransferLearning(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--out", "first", "--set", "optimizer.lr=0.05")...)
	c, err := checkpoint.Read("first/checkpoints/last.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	lent := &checkpoint.Checkpoint{Tensors: slices.DeleteFunc(c.Tensors, func(t checkpoint.Tensor) bool { return strings.HasPrefix(t.Name, "head.") })}
	lent.Tensors = append(lent.Tensors,
		checkpoint.Tensor{Name: "head.weight", Shape: []int{7, 2, 1, 1}, Data: make([]float32, 14)},
		checkpoint.Tensor{Name: "head.bias", Shape: []int{7}, Data: make([]float32, 7)},
		checkpoint.Tensor{Name: "aux.weight", Shape: []int{1}, Data: make([]float32, 1)})
	if err := checkpoint.Write("lent.safetensors", lent); err != nil {
		t.Fatal(err)
	}

	second := tiny("--set", "model.init=lent.safetensors", "--set", "model.freeze=[encoder]")
	o := command(t, append(second, "--out", "straight")...)
	want := `starting from the weights of lent.safetensors
its head is for 7 classes, the net has 4: the head starts from random weights
unused: tensor aux.weight
data        6 images for training, 3 for validation, 16x16 pixels
epochs      2 of 2 steps each
net         unet, base 2, depth 1
parameters  162, and 330 frozen
`
	if o.code != 0 || !strings.HasPrefix(o.stderr, want) {
		t.Fatalf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, want)
	}
	before, after := tensors(t, "lent.safetensors"), tensors(t, "straight/checkpoints/last.safetensors")
	for name, tensor := range after {
		frozen := strings.HasPrefix(name, "encoder.")
		if sameBits(tensor, before[name]) != frozen {
			t.Errorf("%s: want it unchanged only in the encoder", name)
		}
		if strings.HasPrefix(name, "optimizer.") && strings.Contains(name, ".encoder.") {
			t.Errorf("%s: a frozen part has optimizer state", name)
		}
	}

	must(t, append(second, "--quiet", "--epochs", "1", "--set", "train.batch_size=4")...)
	if err := os.Remove("lent.safetensors"); err != nil {
		t.Fatal(err)
	}
	t.Run("resume without the file", func(t *testing.T) {
		o := command(t, tiny("--resume", "auto", "--set", "model.freeze=[encoder]")...)
		if o.code != 0 || strings.Contains(o.stderr, "model.init") || !strings.Contains(read(t, "run/config.yaml"), "init: lent.safetensors") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
		for name, tensor := range tensors(t, "run/checkpoints/last.safetensors") {
			if strings.HasPrefix(name, "encoder.") && !sameBits(tensor, before[name]) {
				t.Errorf("%s of the frozen part has changed", name)
			}
		}
	})
	t.Run("another file", func(t *testing.T) {
		o := command(t, tiny("--resume", "auto", "--epochs", "3", "--set", "model.freeze=[encoder]", "--set", "model.init=other")...)
		if o.code != 0 || !strings.Contains(o.stderr, "model.init = other is not read: the run goes on from run/checkpoints/last.safetensors\n") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
	t.Run("another freeze", func(t *testing.T) {
		check(t, command(t, tiny("--quiet", "--resume", "auto")...), 2, []string{
			"train: run/checkpoints/last.safetensors does not fit the configuration: model.freeze [encoder] -> []; to train other parts, start anew from its weights, with model.init=run/checkpoints/last.safetensors and another --out"})
		o := command(t, tiny("--out", "third", "--set", "model.init=run/checkpoints/last.safetensors")...)
		if o.code != 0 || !strings.HasPrefix(o.stderr, "starting from the weights of run/checkpoints/last.safetensors\ndata ") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
	t.Run("evaluate, predict and export without the file", func(t *testing.T) {
		must(t, "evaluate", "--checkpoint", best)
		must(t, "export", "--checkpoint", best, "--format", "onnx", "--out", "net.onnx")
	})
}

// rename writes the net of a checkpoint under other names.
func rename(t *testing.T, from, to string, name func(string) string) {
	t.Helper()
	c, err := checkpoint.Read(from)
	if err != nil {
		t.Fatal(err)
	}
	c.DropOptimizerState()
	for i := range c.Tensors {
		c.Tensors[i].Name = name(c.Tensors[i].Name)
	}
	if err := checkpoint.Write(to, &checkpoint.Checkpoint{Tensors: c.Tensors}); err != nil {
		t.Fatal(err)
	}
}

// The prefixes of PyTorch's wrappers are taken off if all names have them; the
// weights arrive bit for bit. Other names are summed up beside what the net wants.
func TestInitNames(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--out", "first")...)
	const last = "first/checkpoints/last.safetensors"
	for _, prefix := range []string{"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."} {
		rename(t, last, "init.safetensors", func(name string) string { return prefix + name })
		o := command(t, keep("--set", "model.init=init.safetensors", "--out", "run-"+prefix)...)
		if want := "starting from the weights of init.safetensors, its names without " + prefix + "\ndata "; o.code != 0 || !strings.HasPrefix(o.stderr, want) {
			t.Fatalf("%s: exit code %d\n%s", prefix, o.code, o.stderr)
		}
		before := tensors(t, last)
		for name, tensor := range tensors(t, "run-"+prefix+"/checkpoints/last.safetensors") {
			if !strings.HasPrefix(name, "optimizer.") && !sameBits(tensor, before[name]) {
				t.Errorf("%s: %s has changed on the way", prefix, name)
			}
		}
	}
	for _, tc := range []struct {
		name   string
		rename func(string) string
		want   []string
	}{
		{"another prefix", func(name string) string { return "net.backbone." + name }, []string{
			"train: model.init = init.safetensors: not of this net: 34 tensors: net.backbone.encoder.0.conv1.weight, net.backbone.encoder.0.bn1.weight, net.backbone.encoder.0.bn1.bias and 31 more, all beginning with net.backbone.",
			"train: model.init = init.safetensors: model: 34 of the net's 34 tensors are missing: encoder.0.conv1.weight, encoder.0.bn1.weight, encoder.0.bn1.bias and 31 more"}},
		{"a prefix of some", func(name string) string {
			if strings.HasPrefix(name, "head.") {
				return name
			}
			return "module." + name
		}, []string{
			"train: model.init = init.safetensors: not of this net: 32 tensors: module.encoder.0.conv1.weight, module.encoder.0.bn1.weight, module.encoder.0.bn1.bias and 29 more, all beginning with module.",
			"train: model.init = init.safetensors: model: 32 of the net's 34 tensors are missing: encoder.0.conv1.weight, encoder.0.bn1.weight, encoder.0.bn1.bias and 29 more"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rename(t, last, "init.safetensors", tc.rename)
			check(t, command(t, tiny("--quiet", "--set", "model.init=init.safetensors")...), 1, tc.want)
		})
	}
}

func TestInitErrors(t *testing.T) {
	inFolder(t)
	must(t, tiny("--quiet", "--out", "first")...)
	whole := func() *checkpoint.Checkpoint {
		c, err := checkpoint.Read("first/checkpoints/last.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := func(c *checkpoint.Checkpoint, name string) *checkpoint.Tensor {
		return &c.Tensors[slices.IndexFunc(c.Tensors, func(t checkpoint.Tensor) bool { return t.Name == name })]
	}
	for _, tc := range []struct {
		name   string
		change func(c *checkpoint.Checkpoint)
		want   []string
	}{
		{"missing", func(c *checkpoint.Checkpoint) { at(c, "up.0.bias").Name = "module.up.0.bias" }, []string{
			"train: model.init = init.safetensors: not of this net: tensor module.up.0.bias",
			"train: model.init = init.safetensors: model: tensor up.0.bias is missing"}},
		{"other shape", func(c *checkpoint.Checkpoint) { at(c, "encoder.0.conv1.weight").Shape = []int{2, 27} }, []string{
			"train: model.init = init.safetensors: model: tensor encoder.0.conv1.weight has shape [2 27], want [2 3 3 3]"}},
		{"not finite", func(c *checkpoint.Checkpoint) { at(c, "head.bias").Data[1] = float32(math.NaN()) }, []string{
			`train: model.init = init.safetensors: tensor "head.bias" has NaN as value 1, want finite numbers; tensors with others: 1 of 34`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := whole()
			tc.change(c)
			if err := checkpoint.Write("init.safetensors", c); err != nil {
				t.Fatal(err)
			}
			check(t, command(t, tiny("--quiet", "--set", "model.init=init.safetensors")...), 1, tc.want)
		})
	}
	t.Run("integers", func(t *testing.T) {
		header := `{"head.bias":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}`
		write(t, "init.safetensors", string([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0})+header+"abcd")
		o := command(t, tiny("--quiet", "--set", "model.init=init.safetensors")...)
		if o.code != 1 || !strings.HasPrefix(o.stderr, "train: model.init = init.safetensors: not of this net: tensor head.bias (I8)\n") {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
	check(t, command(t, tiny("--quiet", "--set", "model.init=nowhere")...), 1, []string{
		`train: model.init = "nowhere": no such file or directory: looked at ` + absolute(t, "nowhere")})
	check(t, command(t, tiny("--quiet", "--set", "model.freeze=[encode]")...), 2, []string{
		`train: --set model.freeze=[encode]: model.freeze has "encode", want parts of the net: encoder, encoder.0 to encoder.1, up, up.0, decoder, decoder.0, head`})
}
