"""Runs an ONNX model by ONNX Runtime and compares it with what is expected.

    onnx.py MODEL [IMAGES.npy PROBABILITIES.npy]...

Images are (N,H,W,3), probabilities (N,H,W,C). Prints the model's metadata as JSON, then for each
pair the largest difference of a probability, how many pixels of the mask are not of the class
expected to be most probable (but for those where the next one is within 1e-4), and how many
classes the mask has.
"""
import json
import sys

import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print(json.dumps(session.get_modelmeta().custom_metadata_map))
for images, wanted in zip(sys.argv[2::2], sys.argv[3::2]):
    images, wanted = numpy.load(images), numpy.load(wanted)
    wanted = wanted.reshape(images.shape[:3] + wanted.shape[-1:])  # of one image, N may be left out
    probabilities, mask = session.run(["probabilities", "mask"], {"image": images})
    assert probabilities.dtype == numpy.float32 and probabilities.shape == wanted.shape, (probabilities.dtype, probabilities.shape)
    assert mask.dtype == numpy.int64 and mask.shape == wanted.shape[:3], (mask.dtype, mask.shape)
    best = numpy.sort(wanted, 3)
    clear = best[..., -1] - best[..., -2] > 1e-4
    print(abs(probabilities - wanted).max(), ((mask != wanted.argmax(3)) & clear).sum(), len(numpy.unique(mask)))
