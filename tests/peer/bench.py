"""CPU speed of one training step and of sampling.  Prints one JSON object per line.

    OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python3 bench.py --size tiny --threads 2

`./lab bench` runs it beside our own model; peak memory is the process's, so one flavour and one `--what` a process.

Flavours (same results up to rounding, except that dropout draws differ):
  original   the work the published code does: the frozen text encoder runs on the batch's
             texts twice per training step (EMA pass and model pass) and in every sampling
             iteration; attention over L identical keys; losses on every token, masked
             afterwards; time and condition embeddings at every ODE step; the whole last
             block for every token; EMA also over the frozen CLIP parameters.
  original-no-text   the same without the text encoder (features given, EMA over the model only).
  reference  Config(efficient=True): text features computed once, collapsed cross-attention,
             only masked (training) or newly predicted (sampling) tokens in the last decoder
             block and the heads, embeddings hoisted out of the ODE loop.
"""
import argparse
import copy
import json
import os
import statistics
import time

import torch

import jepat_reference as R
import nets_reference as N

SIZES = {
    "tiny": dict(batch=64, sample_batch=16, config=R.Config(
        img_size=28, vae_stride=1, patch_size=4, vae_embed_dim=1, dim=192, encoder_depth=4, decoder_depth=4, num_heads=3,
        qk_norm=True, buffer_size=16, head="flow", head_width=256, head_depth=3, diffusion_batch_mul=4)),
    "base-64": dict(batch=4, sample_batch=2, config=R.base_config(
        img_size=128, vae_stride=16, patch_size=1, vae_embed_dim=16, qk_norm=True, buffer_size=64, head="flow",
        diffusion_batch_mul=4)),
    "base": dict(batch=2, sample_batch=1, num_iter=4, config=R.base_config(
        img_size=256, vae_stride=16, patch_size=1, vae_embed_dim=16, qk_norm=True, buffer_size=64, head="flow",
        diffusion_batch_mul=4)),
}
CLIP_OTHER_PARAMETERS = 151_277_313 - 63_428_096        # image tower of ViT-B/32 and the logit scale: only the EMA touches them


class FrozenClip(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.text = N.ClipText()
        self.rest = torch.nn.Parameter(torch.zeros(CLIP_OTHER_PARAMETERS))
        for p in self.parameters():
            p.requires_grad_(False)
        torch.nn.init.normal_(self.text.token_embedding.weight, std=0.02)
        torch.nn.init.normal_(self.text.text_projection, std=0.04)

    @torch.no_grad()
    def features(self, ids):
        return self.text(ids)


def peak_mib():
    """Largest resident size of this process so far.  Not ru_maxrss, which also counts what the parent had before exec."""
    try:
        with open("/proc/self/status") as f:
            return round(next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024)
    except OSError:
        return None


def timed(fn, repeats, warmup=1):
    times = []
    for i in range(warmup + repeats):
        a = time.perf_counter()
        fn()
        if i >= warmup:
            times.append(time.perf_counter() - a)
    return times


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--size", choices=SIZES, default="tiny")
    ap.add_argument("--flavours", default="original,original-no-text,reference")
    ap.add_argument("--what", default="train,sample")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--batch", type=int, default=None)
    ap.add_argument("--sample-batch", type=int, default=None)
    ap.add_argument("--repeats", type=int, default=5)
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--num-iter", type=int, default=None, help="16, for base 4")
    ap.add_argument("--ode-steps", default="25", help="num_sampling_steps (knots)")
    ap.add_argument("--cfg", type=float, default=3.0)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    spec = SIZES[a.size]
    iterations = a.num_iter or spec.get("num_iter", 16)
    for flavour in a.flavours.split(","):
        cfg = R.Config(**{**spec["config"].__dict__, "attn_dropout": a.dropout, "proj_dropout": a.dropout,
                          "num_sampling_steps": a.ode_steps, "efficient": flavour == "reference"})
        clip = FrozenClip().eval() if flavour == "original" else None
        model = R.JepaT(cfg)
        with torch.no_grad():                           # zero-initialised layers would make the net trivial
            for p in model.parameters():
                if not bool(p.any()):
                    p.normal_(std=0.02)
        common = dict(size=a.size, flavour=flavour, threads=a.threads, torch=torch.__version__, dropout=a.dropout,
                      parameters=sum(p.numel() for p in model.parameters()))

        def report(what, batch, t, **more):
            median = statistics.median(t)
            print(json.dumps(dict(common, what=what, batch=batch, images_per_s=round(batch / median, 4), median_s=round(median, 4),
                                  min_s=round(min(t), 4), max_s=round(max(t), 4), times_s=[round(s, 4) for s in t],
                                  peak_mib=peak_mib(), cpu_s=round(time.process_time(), 2), load=round(os.getloadavg()[0], 2), **more)), flush=True)

        if "train" in a.what:
            B = a.batch or spec["batch"]
            L, rows = cfg.seq_len, B * cfg.seq_len * cfg.diffusion_batch_mul
            ema = copy.deepcopy(model)
            clip_ema = copy.deepcopy(clip)
            opt = torch.optim.AdamW(R.param_groups(model, 0.02), lr=1e-4, betas=(0.9, 0.95), eps=1e-6, fused=True)
            imgs = torch.randn(B, cfg.vae_embed_dim, cfg.side * cfg.patch_size, cfg.side * cfg.patch_size)
            feats, ids = torch.randn(B, 512), torch.randint(1, 49000, (B, 77))
            masked = R.num_masked_from_rate(R.mask_rate_from_uniform(0.5), L)

            def step():
                rnd = R.TrainRandom(torch.stack([torch.randperm(L) for _ in range(B)]), masked, torch.rand(B) < 0.1,
                                    torch.rand(rows), torch.randn(rows, cfg.token_dim))
                model.train()
                ema.eval()
                target = ema.target_features(imgs, clip.features(ids) if clip else feats)
                diff, jepa = model(imgs, clip.features(ids) if clip else feats, rnd, target)
                (diff + jepa).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
                opt.step()
                opt.zero_grad()
                R.update_ema(ema, model, 0.9999)
                if clip:
                    R.update_ema(clip_ema, clip, 0.9999)
            report("train", B, timed(step, a.repeats), masked=masked, tokens=L)
            if clip:
                report("text-encode", B, timed(lambda: clip.features(ids), a.repeats))
                report("clip-ema", B, timed(lambda: R.update_ema(clip_ema, clip, 0.9999), a.repeats))
            del ema, clip_ema, opt

        if "sample" in a.what:
            B, L = a.sample_batch or spec["sample_batch"], cfg.seq_len
            model.eval()
            feats, ids = torch.randn(B, 512), torch.randint(1, 49000, (B, 77))
            if clip:                                    # the original encodes the texts again in every iteration
                def encode_again(module, args):
                    clip.features(ids)
                hook = model.z_proj.register_forward_pre_hook(encode_again)     # z_proj runs once per iteration

            def sample():
                orders = torch.stack([torch.randperm(L) for _ in range(B)])
                model.sample(orders, feats, torch.randn(B, L, cfg.token_dim), num_iter=iterations, cfg_scale=a.cfg)
            report("sample", B, timed(sample, max(1, a.repeats // 2 + 1)), num_iter=iterations, ode_steps=a.ode_steps, cfg=a.cfg)
            if clip:
                hook.remove()


if __name__ == "__main__":
    main()
