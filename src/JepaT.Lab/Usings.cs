global using JepaT.Model;
global using static TorchSharp.torch;
global using Tensor = TorchSharp.torch.Tensor;
