using JepaT.Lab;

Allocator.KeepFreedMemory();
return Cli.Run(args, Console.Error);
