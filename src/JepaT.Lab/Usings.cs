global using JepaT.Model;
global using TorchSharp;
global using static TorchSharp.torch;
