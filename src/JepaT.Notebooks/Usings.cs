global using JepaT.Lab;
global using JepaT.Model;
