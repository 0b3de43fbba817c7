def read_safetensors(path):
    """The tensors of a file, float32, by name."""
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = bytearray(f.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        if t["dtype"] != "F32":
            raise ValueError(f"{path}: tensor {name} is {t['dtype']}, want F32")
        begin, end = t["data_offsets"]
        values = torch.frombuffer(data, dtype=torch.float32, offset=begin, count=(end - begin) // 4)
        tensors[name] = values.reshape(t["shape"])
    return tensors


def load(path=Path(__file__).with_suffix(".safetensors")):
    """The net with the weights of a file, a checkpoint or an export, ready to predict."""
    net = UNet()
    net.load_state_dict({name: t for name, t in read_safetensors(path).items() if not name.startswith("optimizer.")})
    return net.eval()
