global using TorchSharp.Modules;
global using TorchSharp.Utils;
global using static TorchSharp.torch;
global using Tensor = TorchSharp.torch.Tensor;
