"""Makes the PyTorch files of this folder, real ones with little in them: python3 make_files.py Files

Run with torch 1.13 (Debian 12's python3-torch is), which still writes typed storages as most published checkpoints have them.
Values: float tensor number k holds k + 0.25 * index, rounded to its type; see Expected in PyTorchFileTests.cs.
"""
import argparse
import collections
import json
import os
import sys

import torch

folder = sys.argv[1]


def ramp(k, *shape, dtype=torch.float32):
    n = 1
    for d in shape:
        n *= d
    return (torch.arange(n, dtype=torch.float64) * 0.25 + k).reshape(shape).to(dtype)


def types():
    shared = ramp(7, 12)
    return collections.OrderedDict([
        ("float", ramp(1, 2, 3)),
        ("half", ramp(2, 5, dtype=torch.float16)),
        ("bfloat", ramp(3, 5, dtype=torch.bfloat16)),
        ("double", ramp(4, 3, dtype=torch.float64)),
        ("long", torch.tensor([-(2 ** 40), 0, 7])),
        ("bool", torch.tensor([True, False, True])),
        ("bytes", torch.arange(250, 256, dtype=torch.uint8)),
        ("scalar", torch.tensor(2.5)),
        ("empty", torch.zeros(0, 3)),
        ("transposed", ramp(5, 3, 4).t()),                                      # strides (1, 4)
        ("strided", ramp(6, 4, 6)[1:, ::2]),                                    # offset 6, strides (6, 2)
        ("shared.head", shared[:8]),
        ("shared.tail", shared[4:].view(2, 4)),                                 # the same storage, offset 4
        ("parameter", torch.nn.Parameter(ramp(8, 2, 2))),
    ])


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = torch.nn.LayerNorm(4)
        self.proj = torch.nn.Linear(4, 2)
        self.register_buffer("table", ramp(3, 2, 2))

    def forward(self, x):
        return self.proj(self.ln(x))


def training():
    torch.manual_seed(0)
    model = torch.nn.Sequential(collections.OrderedDict([("a", torch.nn.Linear(3, 2)), ("b", torch.nn.LayerNorm(2))]))
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(ramp(k, *p.shape))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    weights = model.state_dict()
    ema = {name: torch.nn.Parameter(ramp(10 + k, *p.shape)) for k, (name, p) in enumerate(weights.items())}
    return {"model": weights, "model_ema": ema, "optimizer": optimizer.state_dict(), "epoch": 3, "best": 1.5, "name": "tiny",
            "scaler": {}, "args": argparse.Namespace(lr=1e-4, betas=(0.9, 0.95), output_dir="out", big=2 ** 70, none=None)}


class Evil:
    def __reduce__(self):
        return (os.system, ("echo this must never run > evil-ran",))


def save(name, value, **how):
    torch.save(value, os.path.join(folder, name), **how)


old = dict(_use_new_zipfile_serialization=False)
save("types.pth", types())
save("types-legacy.pth", types(), **old)
save("types-protocol4.pt", types(), pickle_protocol=4)
save("training.pth", training())
save("training-legacy.ckpt", training(), **old)
save("evil.pth", {"model": {"a": torch.ones(2)}, "hook": Evil()})
save("evil-legacy.pth", {"model": {"a": torch.ones(2)}, "hook": Evil()}, **old)
save("whole.pth", Block())
torch.manual_seed(0)
block = Block()
with torch.no_grad():
    for k, p in enumerate(block.parameters()):
        p.copy_(ramp(k, *p.shape))
torch.jit.script(block).save(os.path.join(folder, "script.pt"))
names = sorted(types())
for i, part in enumerate((names[:7], names[7:])):
    save(f"part-{i}.bin", {n: types()[n] for n in part})
with open(os.path.join(folder, "parts.bin.index.json"), "w") as f:
    json.dump({"metadata": {"total_size": 1}, "weight_map": {n: f"part-{int(i >= 7)}.bin" for i, n in enumerate(names)}}, f, indent=1)
