global using JepaT.Model;
